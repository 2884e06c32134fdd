"""What a search of surrogates leaves, and what its options are."""

import contextlib
import copy
import json
import math

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import HOOKS, MODELS

from mmada.engine.exploration.targets import SurrogatePoints
from mmada.surrogates import (
    NAMED_POINTS,
    decode,
    find_surrogate,
    identity_points,
    load_curve,
)
from tests.support import toy
from tests.test_engine.test_exploration import segmentor
from tests.test_engine.test_loops import (
    test_parallel_exploration_loop,  # noqa: F401  registers a controller
)

SHAPE = find_surrogate('mIoU').shape


def history(work_dir, name='exploration'):
    lines = (work_dir / name / 'history.jsonl').read_text().splitlines()
    return [json.loads(line) for line in lines]


def points(runner):
    return [loss.shape for loss in runner.model.losses]


def test_a_search_writes_the_curve_and_applies_it(tmp_path, monkeypatch):
    # The first replica tries the mean.
    monkeypatch.setitem(segmentor.SEARCH, 'baseline', 'mu')
    monkeypatch.setitem(segmentor.SEARCH, 'retrain', False)
    runner = segmentor.runner(tmp_path)
    runner.train()
    first, second = history(tmp_path)
    assert first['parameters'][:3] == ['h1.x1', 'h1.y1', 'h1.x2']
    assert first['parameters'][-1] == 'h2.y3'
    assert len(first['parameters']) == 12
    assert first['losses'] == []
    means = [record['actions'][0] for record in (first, second)]
    identity = [0.25] * 2 + [1 / 3] * 2 + [0.5] * 2
    assert means[0] == pytest.approx(2 * identity)
    tried = [
        (metrics['pixels/accuracy'], action)
        for record in (first, second)
        for metrics, action in zip(
            record['metrics'], record['actions'], strict=True
        )
    ]
    best = max(score for score, _ in tried)
    found = torch.tensor(next(a for score, a in tried if score == best))
    stored = load_curve(tmp_path / 'curve.json')
    assert stored.metric == 'mIoU'
    assert torch.allclose(
        torch.tensor(stored.points), decode(found, SHAPE).flatten().float()
    )
    assert stored.provenance['reward_metric'] == 'pixels/accuracy'
    assert not (tmp_path / 'explored.pth').exists()
    assert not (tmp_path / 'policy.safetensors').exists()


def test_the_log_calls_actions_so_and_names_the_file(tmp_path):
    metrics = [dict(type='PixelAccuracy', prefix=p) for p in ('pixels', 'b')]
    loop = segmentor.exploration(reward_evaluator=metrics)  # a wide table
    segmentor.runner(tmp_path, train_cfg=loop, log_level='INFO').train()
    (log,) = tmp_path.glob('*/*.log')
    said = log.read_text()
    assert '\nactions  ' in said
    assert f'What the search found is in {tmp_path / "curve.json"}.' in said
    assert '`theta`' not in said


def test_points_that_a_search_does_not_begin_at_are_mentioned(tmp_path):
    runner = segmentor.runner(tmp_path, log_level='WARNING')
    points = NAMED_POINTS['voc_miou'].points
    runner.model.losses[1].set_shape(points)
    runner.train()
    (log,) = tmp_path.glob('*/*.log')
    assert log.read_text().count('`theta` of AutoSegLoss plays no part') == 1


def test_every_replica_of_every_round_starts_from_the_same_state(tmp_path):
    """Equal actions on the same data give equal scores in all rounds."""
    runner = segmentor.runner(tmp_path)
    loop = runner.train_loop
    assert (loop.max_iters, loop.max_epochs) == (3, 1)
    runner.train()
    start = runner.model.state_dict()
    other = segmentor.runner(tmp_path / 'other').model
    other.init_weights()
    rate = runner.optim_wrapper.optimizer.param_groups[0]['lr']
    # Restored to the schedule's start: a cosine of 3 iterations, not of 6.
    assert rate == pytest.approx(1.0)
    first, second = history(tmp_path)
    assert first['reference'] == second['reference']
    assert all(torch.isfinite(v).all() for v in start.values())
    assert math.isfinite(
        loop.evaluator.evaluate(runner.model)['pixels/accuracy']
    )


def test_the_curves_of_all_heads_are_the_actions(tmp_path):
    live_points = []
    runner = segmentor.runner(tmp_path)
    apply = SurrogatePoints.apply

    def watched(self, action):
        apply(self, action)
        live_points.append((action, points(runner)))

    runner.train_loop.target.apply = watched.__get__(runner.train_loop.target)
    runner.train()
    assert len(live_points) == 1 + 2 * 3 + 1  # pseudo epoch, replicas, end
    for action, found in live_points:
        for each in found:
            assert torch.equal(each, decode(action.double(), SHAPE))
    assert torch.equal(live_points[0][1][0], identity_points(SHAPE))


def test_a_finished_search_resumed_changes_no_file(tmp_path):
    segmentor.runner(tmp_path).train()
    kept = (tmp_path / 'curve.json').read_bytes()
    time = (tmp_path / 'curve.json').stat().st_mtime_ns
    segmentor.runner(tmp_path, resume=True).train()
    assert (tmp_path / 'curve.json').read_bytes() == kept
    assert (tmp_path / 'curve.json').stat().st_mtime_ns == time


def test_a_training_after_the_search_uses_what_it_found(tmp_path):
    runner = segmentor.runner(
        tmp_path,
        dict(
            type='ExploreThenTrainLoop',
            exploration=segmentor.exploration(),
            training=dict(type='EpochBasedTrainLoop', max_epochs=2),
        ),
    )
    runner.train()
    stored = torch.tensor(load_curve(tmp_path / 'curve.json').points)
    for found in points(runner):
        assert torch.allclose(found.flatten().float(), stored)
    resumed = segmentor.runner(
        tmp_path,
        dict(
            type='ExploreThenTrainLoop',
            exploration=segmentor.exploration(),
            training=dict(type='EpochBasedTrainLoop', max_epochs=3),
        ),
        resume=True,
    )
    resumed.train()
    for found in points(resumed):
        assert torch.allclose(found.flatten().float(), stored)


@pytest.mark.parametrize('metrics', [(), ('mIoU', 'mAcc')])
def test_losses_that_cannot_be_searched_together_are_refused(
    tmp_path, metrics
):
    runner = segmentor.runner(
        tmp_path, model=dict(type='ToySegmentor', metrics=metrics)
    )
    found = "'mAcc', 'mIoU'" if metrics else 'none'
    with pytest.raises(ValueError, match=f'AutoSegLoss for one.*{found}'):
        runner.train()


@pytest.mark.parametrize('kind', ['AdaSegment', 'NoSuchController', None])
def test_a_controller_of_other_actions_is_refused(tmp_path, kind):
    runner = segmentor.runner(
        tmp_path, segmentor.exploration(controller=dict(type=kind))
    )
    with pytest.raises(
        ValueError, match=f'registered ActionController.*Found {kind!r}'
    ):
        runner.train()


@pytest.mark.parametrize(
    ('directories', 'alike'),
    [
        (('search', 'search'), True),
        (('a/search', './a/search'), True),
        (('a/search', 'b/search'), False),
    ],
)
def test_two_searches_of_one_run_need_their_own_directories(
    tmp_path, directories, alike
):
    runner = segmentor.runner(
        tmp_path,
        dict(
            type='ExploreThenTrainLoop',
            exploration=[
                segmentor.exploration(directory=each) for each in directories
            ],
            training=dict(type='EpochBasedTrainLoop', max_epochs=1),
        ),
    )
    expected = (
        pytest.raises(ValueError, match='`directory` of its own')
        if alike
        else contextlib.nullcontext()
    )
    with expected:
        runner.build_train_loop(runner.cfg.train_cfg)


def test_weights_need_a_head_rule(tmp_path):
    runner = segmentor.runner(
        tmp_path, toy.exploration(reward_dataloader=segmentor.dataloader(1))
    )
    with pytest.raises(ValueError, match='`optim_wrapper.constructor` should'):
        runner.train()


def test_a_search_weighs_a_stock_model(tmp_path):
    objectives = dict(a='loss_a', b='loss_b')
    policies = []
    for name, model, target in (
        ('wrapped', toy.MODEL, None),
        ('stock', toy.MODEL['detector'], dict(objectives=objectives)),
    ):
        runner = toy.runner(
            tmp_path / name,
            model=copy.deepcopy(model),
            train_cfg=toy.exploration(
                target=target and dict(type='LossWeights', **target)
            ),
        )
        runner.train()
        policies.append((tmp_path / name / 'policy.safetensors').read_bytes())
    assert policies[0] == policies[1]


@HOOKS.register_module()
class UnfreezeHeadHook(Hook):
    """Lets `head_b` train from the second round's epoch on."""

    in_replicas = 'stateful'

    def before_train_epoch(self, runner):
        trains = runner.epoch > 0
        runner.model.head_b.requires_grad_(trains)


@HOOKS.register_module()
class FactorsHook(Hook):
    """Keeps the head rule's factor of `head_b`, by the epoch of a replica."""

    in_replicas = 'stateful'
    seen = []

    def after_train_iter(self, runner, *args, **kwargs):
        weight = runner.model.head_b.weight
        factors = runner.optim_wrapper.head_rule._factors()
        groups = runner.optim_wrapper.optimizer.param_groups
        for group, factor in zip(groups, factors, strict=True):
            if group['params'][0] is weight:
                self.seen.append((runner.epoch, group['objectives'], factor))


@pytest.mark.parametrize('mode', ['lr', 'grad'])
def test_a_head_that_is_unfrozen_in_a_search_is_shielded(tmp_path, mode):
    FactorsHook.seen.clear()
    model = copy.deepcopy(toy.MODEL)
    toy.runner(
        tmp_path,
        model=dict(model, detector=dict(type='FrozenHead')),
        optim_wrapper=dict(toy.OPTIM_WRAPPER, head_rule=dict(mode=mode)),
        train_cfg=toy.exploration(
            controller=dict(
                type='TableController', table=[[1.0, 4.0], [1.0, 2.0]]
            )
        ),
        custom_hooks=[dict(type='UnfreezeHeadHook'), dict(type='FactorsHook')],
    ).train()
    by_epoch = {}
    for epoch, owners, factor in FactorsHook.seen:
        by_epoch.setdefault(epoch, []).append((owners, factor))
    # Frozen when the model was looked at, in the pseudo epoch and round one.
    assert by_epoch[0] == [([], 1.0)] * 9
    for epoch in (1, 2):
        assert by_epoch[epoch] == [([1], 0.25)] * 3 + [([1], 0.5)] * 3


@MODELS.register_module()
class FrozenHead(toy.ToyDetector):
    """Begins with a head that does not train."""

    def __init__(self):
        super().__init__()
        self.head_b.requires_grad_(False)
