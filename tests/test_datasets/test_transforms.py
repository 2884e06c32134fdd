"""Both pipeline steps against mmdet, and in data sets.

LoadPanopticAnnotations against the class of mmdet, MergeThingLabels against
its semantic head.
"""

from __future__ import annotations

import copy
import sys
import types
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmcv.transforms import LoadImageFromFile
from mmdet.datasets import CocoPanopticDataset, get_loading_pipeline
from mmdet.datasets.transforms import LoadPanopticAnnotations as MMDetLoading
from mmdet.models.seg_heads import PanopticFPNHead
from mmdet.registry import DATASETS, TRANSFORMS
from mmengine.registry import DefaultScope
from PIL import Image

from mmada.datasets import (
    LoadPanopticAnnotations,
    MergeThingLabels,
    SceneOptions,
    make_scenes,
    scene_metainfo,
)
from mmada.evaluation import SegmentationQuality

COCO = (
    Path(__file__).resolve().parents[2] / '../shared/data/coco_panoptic_sample'
)
TYPE = 'mmada.datasets.LoadPanopticAnnotations'


@pytest.fixture(scope='module')
def scene_folder(tmp_path_factory):
    out = tmp_path_factory.mktemp('data') / 'scenes'
    make_scenes(out, SceneOptions(num=dict(train=24)))
    return out


@pytest.fixture
def mmdet_loading(monkeypatch):
    """mmdet's class takes one function from panopticapi."""

    def rgb2id(color):
        r, g, b = color.astype(np.int32).transpose(2, 0, 1)
        return r + 256 * g + 256 * 256 * b

    package = types.ModuleType('panopticapi')
    package.utils = types.ModuleType('panopticapi.utils')
    package.utils.rgb2id = rgb2id
    monkeypatch.setitem(sys.modules, 'panopticapi', package)
    monkeypatch.setitem(sys.modules, 'panopticapi.utils', package.utils)
    return MMDetLoading


def scene_dataset(folder, pipeline=()):
    return DATASETS.build(
        dict(
            type='ScenePanopticDataset',
            data_root=f'{folder}/',
            ann_file='annotations/panoptic_train.json',
            data_prefix=dict(img='train/', seg='annotations/panoptic_train/'),
            pipeline=list(pipeline),
        )
    )


def coco_dataset():
    if not COCO.exists():
        pytest.skip('the two images of COCO are not on this machine')
    return CocoPanopticDataset(
        data_root=f'{COCO}/',
        ann_file='annotations/panoptic.json',
        data_prefix=dict(img='images/', seg='annotations/panoptic/'),
    )


def sample(dataset, index):
    info = dataset.get_data_info(index)
    info['ori_shape'] = (info['height'], info['width'])
    return info


def assert_same(ours, theirs):
    assert ours.keys() == theirs.keys()
    torch.testing.assert_close(
        ours['gt_bboxes'].tensor, theirs['gt_bboxes'].tensor, rtol=0, atol=0
    )
    assert type(ours['gt_bboxes']) is type(theirs['gt_bboxes'])
    for key in ('gt_bboxes_labels', 'gt_ignore_flags', 'gt_seg_map'):
        np.testing.assert_array_equal(ours[key], theirs[key])
        assert ours[key].dtype == theirs[key].dtype
    np.testing.assert_array_equal(
        ours['gt_masks'].masks, theirs['gt_masks'].masks
    )
    assert ours['gt_masks'].masks.dtype == theirs['gt_masks'].masks.dtype


@pytest.mark.parametrize('source', ['scenes', 'coco'])
def test_equal_to_mmdet(source, scene_folder, mmdet_loading):
    dataset = (
        coco_dataset() if source == 'coco' else scene_dataset(scene_folder)
    )
    crowds = 0
    for index in range(len(dataset)):
        info = sample(dataset, index)
        theirs = mmdet_loading()(copy.deepcopy(info))
        ours = LoadPanopticAnnotations()(copy.deepcopy(info))
        assert_same(ours, theirs)
        things = len(dataset.metainfo['thing_classes'])
        crowds += any(
            s['category'] < things and not s['is_thing']
            for s in info['segments_info']
        )
    assert crowds


def test_void_is_ignored(scene_folder):
    dataset = scene_dataset(scene_folder)
    seen = 0
    for index in range(len(dataset)):
        result = LoadPanopticAnnotations()(sample(dataset, index))
        ids = cv2.imread(result['seg_map_path']).any(axis=2)
        np.testing.assert_array_equal(result['gt_seg_map'] == 255, ~ids)
        seen += int((~ids).sum())
    assert seen


def test_parts_can_be_left_out(scene_folder):
    info = sample(scene_dataset(scene_folder), 0)
    result = LoadPanopticAnnotations(
        with_bbox=False, with_label=False, with_mask=False
    )(dict(info))
    assert result.keys() - info.keys() == {'gt_seg_map'}
    result = LoadPanopticAnnotations(with_seg=False)(dict(info))
    assert 'gt_seg_map' not in result
    assert len(result['gt_masks']) == len(result['gt_bboxes'])


def test_no_map_no_masks(scene_folder):
    info = sample(scene_dataset(scene_folder), 0)
    info['seg_map_path'] = None
    assert 'gt_masks' not in LoadPanopticAnnotations()(info)


def test_a_map_of_another_size(scene_folder):
    info = sample(scene_dataset(scene_folder), 0)
    info['ori_shape'] = (64, 97)
    with pytest.raises(ValueError, match=r'000000.png .*\(64, 97\).*Found'):
        LoadPanopticAnnotations()(info)


def test_a_map_that_is_not_turned_with_its_image(scene_folder, tmp_path):
    """The real steps on a photograph that was taken on its side."""
    dataset = scene_dataset(scene_folder)
    info = dataset.get_data_info(0)
    with Image.open(info['img_path']) as image:
        exif = image.getexif()
        exif[0x0112] = 6
        image.save(tmp_path / 'turned.png', exif=exif)
    info['img_path'] = str(tmp_path / 'turned.png')
    with pytest.raises(ValueError, match='color_ignore_orientation'):
        LoadPanopticAnnotations()(LoadImageFromFile()(dict(info)))
    load = LoadImageFromFile(color_type='color_ignore_orientation')
    assert LoadPanopticAnnotations()(load(info))['gt_seg_map'].shape == (
        64,
        96,
    )


@pytest.mark.parametrize('flag', ['0', '1', 2, None])
def test_a_flag_that_mmdet_takes_for_a_thing(scene_folder, flag):
    info = sample(scene_dataset(scene_folder), 0)
    info['segments_info'][0]['is_thing'] = flag
    with pytest.raises(ValueError, match=f'000000.png: isthing .*{flag!r}'):
        LoadPanopticAnnotations()(info)


@pytest.mark.parametrize('name', [TYPE, 'LoadPanopticAnnotations'])
def test_mmdet_takes_it_for_a_loading_step(name):
    """As in its tools that look at results, beside its own class."""
    steps = [
        dict(type='LoadImageFromFile'),
        dict(type=name),
        dict(type='RandomFlip', prob=0.5),
    ]
    with DefaultScope.overwrite_default_scope('mmdet'):
        assert get_loading_pipeline(steps) == steps[:2]


def test_it_equals_no_other_class():
    assert LoadPanopticAnnotations == LoadPanopticAnnotations
    assert LoadPanopticAnnotations != LoadImageFromFile
    assert len({LoadPanopticAnnotations, LoadImageFromFile}) == 2


def test_a_map_that_is_no_image(scene_folder, tmp_path):
    info = sample(scene_dataset(scene_folder), 0)
    info['seg_map_path'] = str(tmp_path / 'map.png')
    Path(info['seg_map_path']).write_bytes(b'text')
    with pytest.raises(ValueError, match='map.png: .*should be an image'):
        LoadPanopticAnnotations()(info)


def test_a_config_finds_it_by_its_import_path():
    transform = TRANSFORMS.build(dict(type=TYPE, with_seg=False))
    assert type(transform) is LoadPanopticAnnotations
    assert not transform.with_seg


def test_mmdet_trains_on_scenes(scene_folder):
    """The pipeline of the docstring, up to what a detector gets."""
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type=TYPE),
        dict(type='RandomFlip', prob=1.0),
        dict(type='PackDetInputs'),
    ]
    with DefaultScope.overwrite_default_scope('mmdet'):
        dataset = scene_dataset(scene_folder, pipeline)
    assert dataset.metainfo['classes'] == scene_metainfo()['classes']
    assert len(dataset) == 24
    packed = dataset[0]
    truth = packed['data_samples']
    assert packed['inputs'].shape == (3, 64, 96)
    labels = truth.gt_instances.labels
    assert 0 < len(labels) == len(truth.gt_instances.masks)
    assert labels.max() < 4
    semantic = set(truth.gt_sem_seg.sem_seg.unique().tolist())
    assert semantic <= {*range(8), 255}
    assert set(labels.tolist()) <= semantic


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
def reward_folder(tmp_path_factory):
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
    with pytest.raises(ValueError, match=f'`{name}` .*Found 0'):
        TRANSFORMS.build(dict(type='MergeThingLabels', **options))


@pytest.mark.parametrize('merge', [False, True])
def test_a_segmentor_is_scored_on_scenes(reward_folder, merge) -> None:
    step = dict(type='MergeThingLabels', num_things=4, num_stuff=4)
    dataset = scenes(reward_folder, *([step] if merge else []))
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
