"""Labels of Panoptic FPN's semantic head, and truth for a segmentor."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmdet.models.seg_heads import PanopticFPNHead
from mmdet.registry import DATASETS, TRANSFORMS
from mmengine.registry import DefaultScope

from mmada.datasets import MergeThingLabels, SceneOptions, make_scenes
from mmada.evaluation import SegmentationQuality

LOAD = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale_factor=0.5, keep_ratio=True),
    # After the resize: the truth stays as large as the image was.
    dict(
        type='mmada.LoadPanopticAnnotations',
        with_bbox=False,
        with_label=False,
        with_mask=False,
    ),
]
PACK = dict(type='PackDetInputs', meta_keys=('img_path', 'ori_shape'))


@pytest.fixture(scope='module')
def scene_folder(tmp_path_factory):
    out = tmp_path_factory.mktemp('data') / 'scenes'
    make_scenes(out, SceneOptions(num=dict(reward=3)))
    return out


def scenes(folder, *steps):
    with DefaultScope.overwrite_default_scope('mmdet'):
        return DATASETS.build(
            dict(
                type='ScenePanopticDataset',
                data_root=f'{folder}/',
                ann_file='annotations/panoptic_reward.json',
                data_prefix=dict(
                    img='reward/', seg='annotations/panoptic_reward/'
                ),
                test_mode=True,
                pipeline=[*LOAD, *steps, PACK],
            )
        )


def test_labels_by_hand() -> None:
    labels = np.array([[0, 3, 4, 7, 8, 255, -1]], dtype=np.int32)
    results = dict(gt_seg_map=labels)
    found = MergeThingLabels(4, 4)(results)['gt_seg_map']
    assert found.tolist() == [[4, 4, 0, 3, 8, 255, -1]]
    assert labels.tolist() == [[0, 3, 4, 7, 8, 255, -1]]
    assert found.dtype == np.int32


def test_labels_are_those_that_the_head_learns() -> None:
    head = PanopticFPNHead(
        num_things_classes=5,
        num_stuff_classes=3,
        in_channels=8,
        inner_channels=32,
    )
    labels = np.array([[*range(8), 255]], dtype=np.int32)
    ours = MergeThingLabels(5, 3)(dict(gt_seg_map=labels))['gt_seg_map']
    theirs = head._set_things_to_void(torch.from_numpy(labels))
    assert ours.tolist() == theirs.tolist()
    assert head.num_classes == 3 + 1


@pytest.mark.parametrize('name', ['num_things', 'num_stuff'])
def test_no_classes_are_refused(name) -> None:
    options = dict(num_things=4, num_stuff=4) | {name: 0}
    with pytest.raises(ValueError, match=f'{name} .*found 0'):
        TRANSFORMS.build(dict(type='MergeThingLabels', **options))


@pytest.mark.parametrize('merge', [False, True])
def test_a_segmentor_is_scored_on_scenes(scene_folder, merge) -> None:
    step = dict(type='MergeThingLabels', num_things=4, num_stuff=4)
    dataset = scenes(scene_folder, *([step] if merge else []))
    metric = SegmentationQuality(num_classes=5 if merge else None)
    metric.dataset_meta = dataset.metainfo
    classes = set()
    for item in dataset:
        sample = item['data_samples']
        assert item['inputs'].shape[-2:] != sample.ori_shape
        truth = sample.gt_sem_seg.sem_seg
        assert truth.shape[-2:] == sample.ori_shape
        classes |= set(truth.unique().tolist())
        guess = truth % 255
        metric.process(
            {}, [sample.to_dict() | dict(pred_sem_seg=dict(sem_seg=guess))]
        )
    assert classes == {*range(5 if merge else 8), 255}
    assert metric.evaluate(3)['semantic/mIoU'] == 100
