"""Adapted configs train and search, on a few images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from mmada.commands.command_line import main
from mmada.policies.policy_file import load_policy
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
    'yolox/yolox_tiny_8xb8-300e_coco': ['loss_cls', 'loss_bbox', 'loss_obj'],
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


SEARCHES = {
    'mask_rcnn/mask-rcnn_r50_fpn_1x_coco': [
        *('loss_rpn_cls', 'loss_rpn_bbox', 'loss_cls', 'loss_bbox'),
        'loss_mask',
    ],
    'panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco': [
        *('loss_rpn_cls', 'loss_rpn_bbox', 'loss_cls', 'loss_bbox'),
        *('loss_mask', 'loss_seg'),
    ],
    'yolox/yolox_tiny_8xb8-300e_coco': ['loss_cls', 'loss_bbox', 'loss_obj'],
}


@pytest.mark.slow
@pytest.mark.parametrize('name', SEARCHES)
def test_an_adapted_search_is_rewarded_with_what_was_held_out(
    name: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(Config, 'pretty_text', '')
    options = ('--method', 'slope', '--gpus', 1)
    cfg = adapt(f'mmdet::{name}.py', tmp_path / 'mine.py', *options)
    loop = cfg.train_cfg.exploration
    ann_file = loop.reward_evaluator.ann_file
    assert main(['split', ann_file, '--num-reward', '2']) == 0
    shrink(cfg)
    loop.update(num_rounds=2, iters_per_round=1)
    loop.controller.num_replicas = len(SEARCHES[name])
    cfg.train_cfg.training = dict(type='IterBasedTrainLoop', max_iters=1)
    cfg.work_dir = str(tmp_path / 'work')
    Runner.from_cfg(cfg).train()
    policy = load_policy(tmp_path / 'work/policy.safetensors')
    assert list(policy.objectives or ()) == SEARCHES[name]
    history = tmp_path / 'work/exploration/history.jsonl'
    assert len(history.read_text().splitlines()) == 2
