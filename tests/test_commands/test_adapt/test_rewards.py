"""What rewards a search, by the metrics of a stock config."""

from __future__ import annotations

from typing import Any

import pytest
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope

from mmada.commands.adapt.rewards import find_reward, joined
from mmada.commands.adapt.source import render
from mmada.commands.adapt.stock import Leaf

TRAIN = Leaf(
    'train_dataloader.dataset',
    ConfigDict(
        data_root='data/my/',
        ann_file='train.json',
        data_prefix=dict(img='train/', seg='maps/'),
    ),
)


def config(*evaluators: dict[str, Any]) -> Config:
    return Config(dict(val_evaluator=list(evaluators)))


@pytest.mark.parametrize(
    ('evaluator', 'wanted', 'keys', 'source'),
    [
        (
            dict(type='IoUMetric', iou_metrics=['mIoU'], ignore_index=250),
            [],
            ('semantic/mIoU',),
            "dict(type='SegmentationQuality', ignore_index=250, "
            "classes_of='ground_truth')",
        ),
        (
            dict(type='SegmentationQuality', tolerance=3),
            ['semantic/BF1', 'semantic/mIoU'],
            ('semantic/BF1', 'semantic/mIoU'),
            "dict(_base_.val_evaluator[0], classes_of='ground_truth')",
        ),
        (
            dict(type='CocoMetric', metric=['bbox', 'segm']),
            [],
            ('coco/bbox_mAP', 'coco/segm_mAP'),
            "dict(_base_.val_evaluator[0], type='SubsetCocoMetric', "
            'resamples=100)',
        ),
        (
            dict(
                type='CocoMetric',
                ann_file='val.json',
                format_only=True,
                outfile_prefix='work/results',
            ),
            ['coco/bbox_mAP_50'],
            ('coco/bbox_mAP_50',),
            "dict(_base_.val_evaluator[0], type='SubsetCocoMetric', "
            "ann_file='data/my/train.json', format_only=False, "
            'outfile_prefix=None, resamples=100)',
        ),
        (
            dict(type='CocoPanopticMetric'),
            ['coco_panoptic/PQ_th'],
            ('coco_panoptic/PQ_th',),
            "dict(type='PanopticQuality', ann_file='data/my/train.json', "
            "seg_prefix='data/my/maps', classes_of='ground_truth', "
            'resamples=100)',
        ),
        (
            dict(type='mmdet.VOCMetric', eval_mode='11points'),
            [],
            ('pascal_voc/mAP',),
            '_base_.val_evaluator[0]',
        ),
        (
            dict(type='Accuracy', topk=(1, 5)),
            ['accuracy/top1'],
            ('accuracy/top1',),
            '_base_.val_evaluator',
        ),
    ],
    ids=lambda value: value['type'] if isinstance(value, dict) else None,
)
def test_a_metric_is_computed_on_the_training_images(
    evaluator: dict[str, Any],
    wanted: list[str],
    keys: tuple[str, ...],
    source: str,
) -> None:
    with DefaultScope.overwrite_default_scope('mmdet'):
        reward = find_reward(config(evaluator), wanted)
    assert reward.keys == keys
    text = ' '.join(render(reward.evaluator(TRAIN)).split())
    for note in (
        '# the same for all replicas ',
        '# how noisy the rewards are ',
    ):
        text = text.replace(note, '')
    text = text.replace('dict( ', 'dict(').replace(', )', ')')
    assert text == source
    assert reward.known is (evaluator['type'] != 'Accuracy')


def test_panoptic_quality_comes_first() -> None:
    metrics = (dict(type='CocoMetric'), dict(type='CocoPanopticMetric'))
    with DefaultScope.overwrite_default_scope('mmdet'):
        assert find_reward(config(*metrics), []).keys == ('coco_panoptic/PQ',)
        wanted = ['coco/bbox_mAP']
        assert find_reward(config(*metrics), wanted).keys == tuple(wanted)


@pytest.mark.parametrize(
    ('evaluators', 'wanted', 'message'),
    [
        ([dict(type='IoUMetric')], ['mIoU'], 'semantic/BF1. Found mIoU.'),
        ([dict(type='Accuracy')], [], 'accuracy/top1. Found none, and Acc'),
        (
            [dict(type='CocoMetric'), dict(type='CityScapesMetric')],
            ['cityscapes/AP'],
            'coco/bbox_mAP_l. Found cityscapes/AP. The values of '
            'CityScapesMetric are not known: to maximise one, name one of '
            'these, and change `reward_evaluator` and `reward_metric` of the '
            'config that is written.',
        ),
        *(
            (
                [dict(type='Accuracy'), dict(type='LVISMetric', ann_file='a')],
                wanted,
                'than those of its `ann_file`. Found LVISMetric of a. A '
                'method without a search, such as `--method inverse-loss`,',
            )
            for wanted in ([], ['lvis/bbox_AP'])
        ),
        (
            [dict(type='YouTubeVISMetric', format_only=True)],
            ['youtube_vis/segm_mAP'],
            'Found YouTubeVISMetric with `format_only=True`, which writes '
            'results alone: set it to False.',
        ),
        ([], ['accuracy/top1'], 'Found none.'),
    ],
)
def test_what_cannot_be_computed_there_is_refused(
    evaluators: list[dict[str, Any]], wanted: list[str], message: str
) -> None:
    with (
        DefaultScope.overwrite_default_scope('mmdet'),
        pytest.raises(ValueError, match=message),
    ):
        find_reward(config(*evaluators), wanted)


@pytest.mark.parametrize(
    ('root', 'path', 'expected'),
    [
        ('data', 'maps/', 'data/maps'),
        ('data/', 'maps', 'data/maps'),
        ('data/', '/other/a.json', '/other/a.json'),
        ('s3://bucket/', 'a.json', 's3://bucket/a.json'),
        ('data/', 's3://bucket/a.json', 's3://bucket/a.json'),
        (None, 'a.json', 'a.json'),
    ],
)
def test_paths_are_joined_as_mmengine_does(
    root: str | None, path: str, expected: str
) -> None:
    assert joined(dict(data_root=root), path) == expected
