"""A search that nothing could be learned in, and one that nothing uses."""

import json

import pytest
import torch
from mmengine.registry import METRICS, MODELS

from mmada.engine import load_policy
from tests.support import toy


@METRICS.register_module()
class BlindMetric(toy.ToyMetric):
    """The same score for any model."""

    def compute_metrics(self, results):
        return dict(score=0.0)


SENTENCE = 'all replicas of all rounds scored 0 (toy/score)'
SLOPE = dict(type='SlopeSearch', num_replicas=4)
TRAINING = dict(type='EpochBasedTrainLoop', max_epochs=2)


def explore(
    work_dir,
    hooks=('PolicyWeightingHook',),
    resume=False,
    model=toy.MODEL,
    **options,
):
    """Searches and trains; hooks are names, or configs."""
    runner = toy.runner(
        work_dir,
        model=model,
        train_cfg=dict(
            type='ExploreThenTrainLoop',
            exploration=toy.exploration(num_rounds=1, **options),
            training=TRAINING,
        ),
        custom_hooks=[
            dict(type=h) if isinstance(h, str) else h for h in hooks
        ],
        log_level='WARNING',
        resume=resume,
    )
    runner.train()
    return runner


def log(work_dir):
    return ''.join(p.read_text() for p in sorted(work_dir.rglob('*.log')))


def trained_with(work_dir):
    lines = (work_dir / 'weights.jsonl').read_text().splitlines()
    return [json.loads(line)['weights'] for line in lines]


def status(work_dir):
    return json.loads((work_dir / 'exploration/status.json').read_text())


@pytest.mark.parametrize(
    'controller',
    [
        dict(type='AdaSegment', num_replicas=2),
        dict(type='RandomSearch', num_replicas=2),
        SLOPE,
    ],
    ids=lambda config: config['type'],
)
def test_the_training_has_ones_and_all_files_say_why(tmp_path, controller):
    blind = dict(type='BlindMetric')
    explore(tmp_path, controller=controller, reward_evaluator=blind)
    assert f'The search learned nothing: {SENTENCE}.' in log(tmp_path)
    assert 'The training has all weights 1' in log(tmp_path)
    assert trained_with(tmp_path) == [[1.0, 1.0]] * 2
    policy = load_policy(tmp_path / 'policy.safetensors')
    assert policy.nothing_learned == SENTENCE
    assert status(tmp_path)['nothing_learned'] == SENTENCE
    assert status(tmp_path)['phase'] == 'finished'


@MODELS.register_module()
class LoudDetector(toy.SmoothDetector):
    """Its loss `a`, which the score measures, is the larger by far."""

    def forward(self, x, y, mode='tensor'):
        found = super().forward(x, y, mode)
        if mode == 'loss':
            found['loss_b'] = [0.001 * each for each in found['loss_b']]
        return found


def test_what_all_weights_1_beat_is_not_learned(tmp_path):
    """Inverse-loss weighting takes from what counts, and no step suffices."""
    explore(
        tmp_path,
        model=dict(toy.MODEL, detector=dict(type='LoudDetector')),
        controller=dict(type='SlopeSearch', num_replicas=4, noise=0.0),
    )
    said = 'the replica with all weights 1 ended at'
    assert f'The search learned nothing: {said}' in log(tmp_path)
    assert trained_with(tmp_path) == [[1.0, 1.0]] * 2
    policy = load_policy(tmp_path / 'policy.safetensors')
    assert policy.nothing_learned.startswith(said)
    assert policy.best_weights[1] > 2 * policy.best_weights[0]


@MODELS.register_module()
class QuietDetector(toy.SmoothDetector):
    """Its loss `a`, which the score measures, is small."""

    def forward(self, x, y, mode='tensor'):
        found = super().forward(x, y, mode)
        if mode == 'loss':
            found['loss_a'] = 0.05 * found['loss_a']
        return found


def test_a_start_that_beats_all_weights_1_is_used_without_a_step(tmp_path):
    """Replicas that are all but alike show no slope."""
    explore(
        tmp_path,
        [dict(type='PolicyWeightingHook', mode='pred')],
        model=dict(toy.MODEL, detector=dict(type='QuietDetector')),
        controller=dict(SLOPE, sigma=1e-3, noise=0.01),
    )
    assert 'learned nothing' not in log(tmp_path)
    assert 'it is used, since the replica with all weights 1' in log(tmp_path)
    assert status(tmp_path)['nothing_learned'] is None
    policy = load_policy(tmp_path / 'policy.safetensors')
    shares = policy.best_weights * policy.initial_losses
    torch.testing.assert_close(shares, shares.mean().expand(2))
    best = policy.best_weights.tolist()
    assert trained_with(tmp_path) == [pytest.approx(best)] * 2


def test_a_step_that_chance_explains_is_none(tmp_path):
    """The start would be inverse-loss weighting."""
    explore(tmp_path, controller=dict(SLOPE, noise=1e6))
    reason = load_policy(tmp_path / 'policy.safetensors').nothing_learned
    assert 'which chance explains' in reason
    assert reason in log(tmp_path)
    assert trained_with(tmp_path) == [[1.0, 1.0]] * 2


def test_the_policy_may_be_used_all_the_same(tmp_path):
    hook = dict(type='PolicyWeightingHook', mode='pred', fallback='policy')
    blind = dict(type='BlindMetric')
    explore(tmp_path, [hook], controller=SLOPE, reward_evaluator=blind)
    losses = load_policy(tmp_path / 'policy.safetensors').initial_losses
    weights = torch.tensor(trained_with(tmp_path)[0])
    # Inverse-loss weighting, where the search starts.
    assert torch.allclose(weights * losses, (weights * losses).mean())
    assert 'The training has all weights 1' not in log(tmp_path)


def test_a_search_that_learned_says_nothing(tmp_path):
    explore(tmp_path, controller=dict(type='RandomSearch', num_replicas=3))
    assert 'learned nothing' not in log(tmp_path)
    assert 'nothing_learned' not in (
        load_policy(tmp_path / 'policy.safetensors').provenance
    )
    assert status(tmp_path)['nothing_learned'] is None
    best = load_policy(tmp_path / 'policy.safetensors').best_weights.tolist()
    assert trained_with(tmp_path) == [pytest.approx(best)] * 2


def test_a_resumed_training_knows_it_too(tmp_path):
    blind = dict(type='BlindMetric')
    explore(tmp_path, controller=SLOPE, reward_evaluator=blind)
    (tmp_path / 'exploration/status.json').unlink()
    explore(tmp_path, resume=True, controller=SLOPE, reward_evaluator=blind)
    assert status(tmp_path)['nothing_learned'] == SENTENCE


@pytest.mark.parametrize(
    ('hooks', 'found'),
    [
        ([], 'Found none'),
        (
            [
                dict(
                    type='LossWeightingHook',
                    weighting=dict(type='InverseLossWeighting'),
                )
            ],
            'Found none',
        ),
        (
            [dict(type='PolicyWeightingHook', policy='other.safetensors')],
            "Found `policy` 'other.safetensors'",
        ),
    ],
    ids=['none', 'another', 'another policy'],
)
def test_a_training_that_would_not_use_the_policy_is_not_begun(
    tmp_path, hooks, found
):
    with pytest.raises(ValueError, match='`custom_hooks` should.*' + found):
        explore(tmp_path, hooks)
    assert not (tmp_path / 'exploration').exists()
