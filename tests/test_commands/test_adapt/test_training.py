"""Adapted configs train and search, on a few images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, METRICS, TASK_UTILS, DefaultScope
from mmengine.runner import Runner

from mmada.commands.command_line import main
from tests.test_commands.test_adapt.tiny import (
    adapt,
    shrink,
    two_iterations,
    write_images,
)

KINDS = ['cls', 'bbox', 'mask']
# Of each a stock config that comes with MMDetection, and what is weighted.
TRAINED = {
    'cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco': KINDS,
    'deformable_detr/deformable-detr_r50_16xb2-50e_coco': [
        *('cls', 'bbox', 'iou')
    ],
    'detr/detr_r50_8xb2-150e_coco': ['cls', 'bbox', 'iou'],
    'faster_rcnn/faster-rcnn_r50_fpn_1x_coco': ['cls', 'bbox'],
    'fcos/fcos_r50-caffe_fpn_gn-head_1x_coco': [
        *('loss_cls', 'loss_bbox', 'loss_centerness')
    ],
    'htc/htc_r50_fpn_1x_coco': ['semantic_seg', *KINDS],
    'mask2former/mask2former_r50_8xb2-lsj-50e_coco-panoptic': [
        *('cls', 'mask', 'dice')
    ],
    'mask_rcnn/mask-rcnn_r50_fpn_1x_coco': KINDS,
    'maskformer/maskformer_r50_ms-16xb1-75e_coco': ['cls', 'mask', 'dice'],
    'panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco': [*KINDS, 'seg'],
    'retinanet/retinanet_r50_fpn_1x_coco': ['loss_cls', 'loss_bbox'],
    'rtmdet/rtmdet-ins_tiny_8xb32-300e_coco': [
        *('loss_cls', 'loss_bbox', 'loss_mask')
    ],
    'solov2/solov2_r50_fpn_1x_coco': ['loss_mask', 'loss_cls'],
    'sparse_rcnn/sparse-rcnn_r50_fpn_1x_coco': ['cls', 'bbox', 'iou'],
    # A training as short as this is in the mode of the last epochs.
    'yolox/yolox_tiny_8xb8-300e_coco': [
        *('loss_cls', 'loss_bbox', 'loss_obj', 'loss_l1')
    ],
}
FAST = 'retinanet/retinanet_r50_fpn_1x_coco'


def slow_but(fast: str, names: object) -> list[object]:
    return [
        pytest.param(name, marks=() if name == fast else pytest.mark.slow)
        for name in names  # type: ignore[attr-defined]
    ]


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder, with data where stock configs look for them."""
    folder = tmp_path_factory.mktemp('user')
    write_images(folder)
    return folder


@pytest.mark.parametrize('name', slow_but(FAST, TRAINED))
def test_an_adapted_config_trains(
    name: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(Config, 'pretty_text', '')  # takes a second
    cfg = adapt(f'mmdet::{name}.py', tmp_path / 'mine.py')
    shrink(cfg)
    two_iterations(cfg)
    cfg.work_dir = str(tmp_path / 'work')
    Runner.from_cfg(cfg).train()
    (line,) = (tmp_path / 'work/weights.jsonl').read_text().splitlines()
    record = json.loads(line)
    assert record['objectives'] == TRAINED[name]
    assert any(loss is not None for loss in record['losses'])


# With the type of the metric that rewards the search.
SEARCHES = {
    'mask_rcnn/mask-rcnn_r50_fpn_1x_coco': 'SubsetCocoMetric',
    'panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco': 'PanopticQuality',
    'yolox/yolox_tiny_8xb8-300e_coco': 'SubsetCocoMetric',  # it is wrapped
}


@pytest.mark.slow
@pytest.mark.parametrize('name', SEARCHES)
def test_a_search_is_rewarded_with_images_that_it_does_not_train_on(
    name: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    options = ('--method', 'slope', '--gpus', 4)
    cfg = adapt(f'mmdet::{name}.py', tmp_path / 'mine.py', *options)
    loop = cfg.train_cfg.exploration
    each = cfg.train_dataloader.batch_size
    assert loop.dataloader.batch_size == 4 * each
    assert loop.ranks_per_replica == 4
    ann_file = loop.reward_evaluator.ann_file
    assert main(['split', ann_file, '--num-reward', '1']) == 0
    with DefaultScope.overwrite_default_scope('mmdet'):
        trained = DATASETS.build(loop.dataloader.dataset)
        scored = DATASETS.build(loop.reward_dataloader.dataset)
        metric = METRICS.build(loop.reward_evaluator)
        assert type(metric).__name__ == SEARCHES[name]
        TASK_UTILS.build(loop.target)
    assert (len(trained), len(scored)) == (3, 1)
    inner = getattr(trained, 'dataset', trained)
    inner = inner if 'yolox' not in name else inner.dataset
    images = {inner.get_data_info(i)['img_id'] for i in range(3)}
    assert scored.dataset.get_data_info(0)['img_id'] not in images


@pytest.mark.slow
def test_a_random_search_goes_on_within_its_trainings(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The best of six trainings of two epochs is what is trained with."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(Config, 'pretty_text', '')
    options = ('--method', 'random-search', '--gpus', 1)
    cfg = adapt(f'mmdet::{FAST}.py', tmp_path / 'mine.py', *options)
    controller = cfg.train_cfg.exploration.controller
    assert controller.rounds_per_training == 12
    assert controller.num_replicas == 6 and controller.control
    ann_file = cfg.train_cfg.exploration.reward_evaluator.ann_file
    assert main(['split', ann_file, '--num-reward', '1']) == 0
    shrink(cfg)
    controller.rounds_per_training = 2
    cfg.train_cfg.exploration.num_rounds = 2
    cfg.train_cfg.training.max_epochs = 2
    cfg.work_dir = str(tmp_path / 'work')
    Runner.from_cfg(cfg).train()
    lines = (tmp_path / 'work/exploration/history.jsonl').read_text()
    first, second = map(json.loads, lines.splitlines())
    assert first['weights'] == second['weights']
    assert first['weights'][-1] == [1, 1]
    assert second['ages'] == [2] * 6
    rewards = [each['coco/bbox_mAP'] for each in second['metrics']]
    best = second['weights'][rewards.index(max(rewards))]
    used = (tmp_path / 'work/weights.jsonl').read_text().splitlines()
    found = json.loads(used[-1])['weights']
    assert found == pytest.approx(best if len(set(rewards)) > 1 else [1, 1])
