"""Checkpoints by the rewards of a config; the model is no panoptic one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.registry import MODELS, DefaultScope

from mmada.diagnostics.reward import check_checkpoints
from mmada.diagnostics.reward.check import (
    build_evaluator,
    find_reward,
)
from mmada.engine.reward import RewardEvaluator
from tests.support import toy
from tests.support.mmseg_scope import mmseg_scope
from tests.support.tiny_segmentor import SEGMENTOR

__all__ = ['mmseg_scope']


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
    assert [finding.rule for finding in together] == ['few reward images']


def test_equal_rewards_and_a_minimised_metric(saved):
    paths, _ = saved
    reports, together = check(
        [paths[0], paths[0]], reward_metric={'toy/score': -2.0}
    )
    assert reports[0].value == -2 * reports[0].metrics['toy/score']
    assert [finding.rule for finding in together] == [
        'few reward images',
        'rewards equal',
    ]


@pytest.mark.parametrize('max_images', [None, 4])
def test_classes_are_looked_for_on_all_reward_images(saved, max_images):
    exploration = toy.exploration(
        dataloader=toy.listed(0, 0, 1, 2),
        reward_dataloader=toy.listed(*[0] * 50, 1),
    )
    source = find_reward(dict(train_cfg=exploration))
    _, found = check_checkpoints(toy.MODEL, source, saved[0][:1], max_images)
    assert [finding.rule for finding in found] == [
        'classes without truth',
        'classes on one image',
    ]
    assert 'none of the 51 reward images' in found[0].text
    assert 'ignores them: c.' in found[0].text
    assert 'says of them: b.' in found[1].text


def test_a_class_that_is_not_trained_is_not_left_out(saved):
    exploration = toy.exploration(
        dataloader=toy.listed(0, 1), reward_dataloader=toy.listed(*[0, 1] * 25)
    )
    source = find_reward(dict(train_cfg=exploration))
    assert not check_checkpoints(toy.MODEL, source, saved[0][:1])[1]


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


def maps(folder, *labels):
    """Returns a dataloader config of images that are of one label each.

    The first of them shows label 0 too, in its upper half.
    """
    folder.mkdir()
    for k, label in enumerate(labels):
        image = np.full((64, 64), label, np.uint8)
        image[:32] = label if k else 0
        cv2.imwrite(f'{folder}/{k:02}.png', image)
        cv2.imwrite(f'{folder}/{k:02}.jpg', 100 * image)
    return dict(
        batch_size=5,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        collate_fn=dict(type='pseudo_collate'),
        dataset=dict(
            type='BaseSegDataset',
            metainfo=dict(classes=('bright', 'dark', 'ground')),
            data_prefix=dict(img_path=str(folder), seg_map_path=str(folder)),
            pipeline=[
                dict(type='LoadImageFromFile'),
                dict(type='LoadAnnotations'),
                dict(type='PackSegInputs'),
            ],
        ),
    )


@pytest.mark.usefixtures('mmseg_scope')
def test_classes_of_a_segmentor(tmp_path):
    exploration = dict(
        dataloader=maps(tmp_path / 'train', 1, 2),
        reward_dataloader=maps(tmp_path / 'reward', *[1] * 50),
        reward_evaluator=dict(type='IoUMetric'),
        reward_metric='mIoU',
    )
    config = ConfigDict(SEGMENTOR)
    model = MODELS.build(config)
    torch.nn.init.zeros_(model.decode_head.conv_seg.weight)
    model.decode_head.conv_seg.bias.data = torch.tensor([0.0, 1.0, 0.0])
    path = str(tmp_path / 'model.pth')
    torch.save(dict(state_dict=model.state_dict()), path)
    source = find_reward(dict(train_cfg=exploration))
    (report,), found = check_checkpoints(config, source, [path])
    assert report.amounts.measure == 'IoU'
    # It calls all 50 images dark, of which 49.5 are.
    assert report.qualities == dict(bright=0, dark=99)
    assert report.value == pytest.approx(99 / 2, abs=0.01)
    assert [finding.rule for finding in found] == [
        'classes without truth',
        'classes on one image',
    ]
    assert 'ignores them: ground.' in found[0].text
    assert 'says of them: bright.' in found[1].text


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
    config = dict(TEST, train_dataloader=dict(name='train'))
    source = find_reward(dict(config, train_cfg=train_cfg))
    assert source == (
        dict(name='reward'),
        dict(type='R'),
        'coco_panoptic/PQ',
        True,
        dict(name='train'),
    )


def test_the_training_data_of_an_exploration():
    exploration = dict(REWARD, dataloader=dict(name='proxy'))
    config = dict(train_dataloader=dict(name='train'), train_cfg=exploration)
    assert find_reward(config).training == dict(name='proxy')


def test_test_data_where_nothing_is_explored():
    train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1)
    for config in (dict(TEST, train_cfg=train_cfg), TEST):
        source = find_reward(config)
        assert source == (dict(name='test'), dict(type='T'), None, False, None)


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
