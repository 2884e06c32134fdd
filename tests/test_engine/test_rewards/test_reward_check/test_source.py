import pytest

from mmada.engine.rewards.reward_check.source import (
    build_evaluator,
    find_reward,
)
from tests.support import toy

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
    with pytest.raises(ValueError, match='expected then test_evaluator'):
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
