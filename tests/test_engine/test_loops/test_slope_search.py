"""Whole trainings as replicas, then a training with what was found."""

import json
import math

import pytest
import torch
from mmengine.registry import METRICS

from mmada.controllers import SlopeSearch
from mmada.engine import load_policy
from tests.support import toy
from tests.test_engine.test_loops import test_faults as faults

SEARCH = dict(
    num_rounds=3,
    controller=dict(
        type='SlopeSearch', num_replicas=3, noise=0.0, control=False
    ),
)
HOOKS = [
    dict(type='EpochSeedHook'),
    dict(type='PolicyWeightingHook', mode='pred'),
]


def build(work_dir, **options):
    return toy.runner(
        work_dir,
        train_cfg=dict(
            type='ExploreThenTrainLoop',
            exploration=toy.exploration(**SEARCH),
            training=dict(type='EpochBasedTrainLoop', max_epochs=3),
        ),
        custom_hooks=HOOKS,
        **options,
    )


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('whole')
    build(work_dir).train()
    return work_dir


def test_replicas_train_from_the_start_to_the_end(whole):
    records = faults.history(whole)
    assert [record['plan'] for record in records] == [
        ['initial'] * 3,
        ['own'] * 3,
        ['own'] * 3,
    ]
    assert len({str(record['weights']) for record in records}) == 1
    centre, first, second = records[0]['weights']
    assert first != second
    # The geometric mean of the two that are opposite each other.
    ratios = [w[0] / w[1] for w in (centre, first, second)]
    assert ratios[0] ** 2 == pytest.approx(ratios[1] * ratios[2])


def test_the_policy_steps_towards_the_better_replica(whole):
    last = faults.history(whole)[-1]
    centre, *scores = [each['toy/score'] for each in last['metrics']]
    weights = torch.tensor(last['weights'], dtype=torch.float64)
    ratios = (weights[:, 0] / weights[:, 1]).log()
    way = ratios[1 + scores.index(max(scores))] - ratios[0]
    # Without noise as far as curvature says, at most to the better one.
    curvature = centre - sum(scores) / 2
    top = (max(scores) - min(scores)) / 2 / (2 * curvature)
    length = min(1.0, top) if curvature > 0 else 1.0
    assert last['info']['curvature'] == pytest.approx(curvature)
    assert last['info']['step'] == pytest.approx(1.2 * length)
    found = load_policy(whole / 'policy.safetensors', ('a', 'b')).best_weights
    torch.testing.assert_close(
        (found[0] / found[1]).log(), ratios[0] + length * way
    )


def test_the_training_keeps_the_weights_that_were_found(whole):
    policy = load_policy(whole / 'policy.safetensors')
    rows = [
        json.loads(row)
        for row in (whole / 'weights.jsonl').read_text().splitlines()
    ]
    assert len(rows) == 3
    for row in rows:
        assert row['weights'] == policy.best_weights.tolist()


def test_a_search_that_ends_early_has_the_first_rounds_of_a_whole_one(
    whole, tmp_path
):
    controller = dict(SEARCH['controller'], rounds_per_training=3)
    runner = toy.runner(
        tmp_path,
        train_cfg=toy.exploration(num_rounds=2, controller=controller),
    )
    runner.train()
    assert runner.max_iters == 3 * 3
    for ours, theirs in zip(
        faults.history(tmp_path), faults.history(whole)[:2], strict=True
    ):
        for key in ('weights', 'metrics', 'plan'):
            assert ours[key] == theirs[key]
    assert 'confidence' in ours['info'] and 'confidence' not in theirs['info']


def test_an_interrupted_search_goes_on_to_the_same_bits(
    whole, tmp_path, monkeypatch
):
    original, calls = SlopeSearch.observe, []

    def observe(self, *args):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(self, *args)

    monkeypatch.setattr(SlopeSearch, 'observe', observe)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path).train()
    build(tmp_path, resume=True).train()
    assert faults.history(tmp_path) == faults.history(whole)
    policies = [
        (folder / 'policy.safetensors').read_bytes()
        for folder in (whole, tmp_path)
    ]
    assert policies[0] == policies[1]


@METRICS.register_module()
class PatchyMetric(toy.ToyMetric):
    """Without a number in some of its evaluations.

    Attributes:
        dark: Their numbers, from 1.
        count: Of all evaluations so far.
    """

    dark: range = range(0)
    count = 0

    def compute_metrics(self, results):
        PatchyMetric.count += 1
        if PatchyMetric.count in self.dark:
            return dict(score=math.nan)
        return super().compute_metrics(results)


def patchy(work_dir, monkeypatch, dark, **options):
    """Searches alone; two evaluations come before the first round's."""
    monkeypatch.setattr(PatchyMetric, 'dark', dark)
    monkeypatch.setattr(PatchyMetric, 'count', 0)
    reward = dict(reward_evaluator=dict(type='PatchyMetric'))
    toy.runner(
        work_dir, train_cfg=toy.exploration(**SEARCH, **reward), **options
    ).train()


def played(work_dir):
    """What happened in the rounds, whatever was tried before."""
    keys = 'weights', 'metrics', 'ages', 'plan', 'info'
    return [{k: r[k] for k in keys} for r in faults.history(work_dir)]


def test_a_round_without_rewards_is_tried_again(whole, tmp_path, monkeypatch):
    patchy(tmp_path, monkeypatch, range(6, 9))
    assert PatchyMetric.count == 2 + 4 * 3
    assert played(tmp_path) == played(whole)


def test_a_search_without_rewards_goes_on_once_there_are_some(
    whole, tmp_path, monkeypatch
):
    with pytest.raises(RuntimeError, match='3 times in succession.*--resume'):
        patchy(tmp_path, monkeypatch, range(6, 99))
    assert len(faults.history(tmp_path)) == 1
    patchy(tmp_path, monkeypatch, range(0), resume=True)
    assert played(tmp_path) == played(whole)


def test_what_failed_in_a_round_is_not_gone_on_with(tmp_path, monkeypatch):
    patchy(tmp_path, monkeypatch, range(7, 8))
    plans = [record['plan'] for record in faults.history(tmp_path)]
    assert plans[1:] == [['own'] * 3, ['own', 'empty', 'own']]
    assert faults.history(tmp_path)[-1]['ages'] == [3, 0, 3]
