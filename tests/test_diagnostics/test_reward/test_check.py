"""Checkpoints by the rewards of a config; the model is no panoptic one."""

from __future__ import annotations

import pytest
import torch
from mmengine.registry import MODELS, DefaultScope

from mmada.diagnostics.reward import check_checkpoints
from mmada.diagnostics.reward.check import build_evaluator, find_reward
from mmada.engine.reward import RewardEvaluator
from tests.support import toy


@pytest.fixture(autouse=True)
def _scope():
    with DefaultScope.overwrite_default_scope('mmengine'):
        yield


@pytest.fixture
def saved(tmp_path):
    """Paths of two checkpoints, and the first one's model."""
    paths, models = [], []
    for seed in range(2):
        torch.manual_seed(seed)
        models.append(MODELS.build(toy.MODEL))
        paths.append(str(tmp_path / f'{seed}.pth'))
        torch.save(dict(state_dict=models[-1].state_dict()), paths[-1])
    return paths, models[0]


def check(paths, **options):
    source = find_reward(dict(train_cfg=toy.exploration(**options)))
    return check_checkpoints(toy.MODEL, source, paths)


def test_the_reward_is_that_of_an_exploration(saved):
    paths, model = saved
    reports, together = check(paths)
    loop = toy.exploration()
    names = 'reward_dataloader', 'reward_evaluator', 'reward_metric'
    evaluator = RewardEvaluator(*(loop[name] for name in names), seed=3)
    assert reports[0].value == evaluator.score(model).value
    assert reports[0].value != reports[1].value
    assert [r.path for r in reports] == paths
    assert [r.amounts for r in reports] == [None, None]
    assert not any(r.findings for r in reports)
    assert not together


def test_equal_rewards_and_a_minimised_metric(saved):
    paths, _ = saved
    reports, together = check(
        [paths[0], paths[0]], reward_metric={'toy/score': -2.0}
    )
    assert reports[0].value == -2 * reports[0].metrics['toy/score']
    assert [finding.rule for finding in together] == ['rewards equal']


def test_a_metric_that_nobody_gives_is_refused(saved):
    with pytest.raises(ValueError, match='no/such'):
        check(saved[0], reward_metric='no/such')


def test_diverged_weights_are_found(saved):
    paths, model = saved
    entries = model.state_dict()
    entries['head_a.weight'] = entries['head_a.weight'] * torch.nan
    torch.save(dict(state_dict=entries), paths[0])
    (report,), _ = check(paths[:1])
    assert report.value is None
    assert [finding.rule for finding in report.findings] == [
        'weights not finite',
        'no reward',
    ]


TEST = dict(test_dataloader=dict(name='test'), test_evaluator=dict(type='T'))
REWARD = dict(
    reward_dataloader=dict(name='reward'), reward_evaluator=dict(type='R')
)


@pytest.mark.parametrize(
    'train_cfg',
    [
        dict(type='ParallelExplorationLoop', **REWARD),
        dict(type='ExploreThenTrainLoop', exploration=REWARD),
        dict(
            type='ExploreThenTrainLoop',
            exploration=[REWARD, dict(REWARD, reward_metric='other')],
        ),
    ],
)
def test_the_rewards_of_an_exploration(train_cfg):
    source = find_reward(dict(TEST, train_cfg=train_cfg))
    assert source == (
        dict(name='reward'),
        dict(type='R'),
        'coco_panoptic/PQ',
        True,
    )


def test_test_data_where_nothing_is_explored():
    train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1)
    for config in (dict(TEST, train_cfg=train_cfg), TEST):
        source = find_reward(config)
        assert source == (dict(name='test'), dict(type='T'), None, False)


def test_neither_is_an_error():
    with pytest.raises(ValueError, match='Found no test_evaluator'):
        find_reward(dict(test_dataloader=dict(name='test')))


@pytest.mark.parametrize(('count', 'kept'), [(5, 5), (99, 12), (None, 12)])
def test_the_first_images(count, kept):
    loop = toy.exploration(
        reward_dataloader=toy.dataloader(shuffle=False, size=12)
    )
    evaluator = build_evaluator(find_reward(dict(train_cfg=loop)), count)
    rows = [x for batch in evaluator.dataloader for x in batch['x']]
    expected = toy.ToyDataset(12).x[:kept]
    assert [r.tolist() for r in rows] == expected.tolist()
    assert evaluator._evaluator.dataset_meta == toy.ToyDataset.METAINFO
