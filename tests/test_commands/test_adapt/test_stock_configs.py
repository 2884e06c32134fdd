"""Stock configs of all families, adapted and built as they are trained."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import HOOKS, MODELS, TASK_UTILS, DefaultScope

from mmada.models import weigh_losses
from tests.support.scripts import load
from tests.test_commands.test_adapt.tiny import adapt

stock = load('dev/build_stock_configs.py')

MMDET = [
    'atss/atss_r50_fpn_1x_coco',
    'cascade_rcnn/cascade-mask-rcnn_r50_fpn_1x_coco',
    'centernet/centernet-update_r18_fpn_8xb8-amp-lsj-200e_coco',
    'cityscapes/mask-rcnn_r50_fpn_1x_cityscapes',
    'condinst/condinst_r50_fpn_ms-poly-90k_coco_instance',
    'ddod/ddod_r50_fpn_1x_coco',
    'deformable_detr/deformable-detr_r50_16xb2-50e_coco',
    'detr/detr_r50_8xb2-150e_coco',
    'dino/dino-4scale_r50_8xb2-12e_coco',
    'fast_rcnn/fast-rcnn_r50_fpn_1x_coco',
    'fcos/fcos_r50-caffe_fpn_gn-head_1x_coco',
    'grid_rcnn/grid-rcnn_r50_fpn_gn-head_2x_coco',
    'htc/htc_r50_fpn_1x_coco',
    'lvis/mask-rcnn_r50_fpn_sample1e-3_ms-1x_lvis-v1',
    'mask2former/mask2former_r50_8xb2-lsj-50e_coco-panoptic',
    'mask_rcnn/mask-rcnn_r50_fpn_1x_coco',
    'maskformer/maskformer_r50_ms-16xb1-75e_coco',
    'masktrack_rcnn/masktrack-rcnn_mask-rcnn_r50_fpn_8xb1-12e_youtubevis2019',
    'panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco',
    'pascal_voc/retinanet_r50_fpn_1x_voc0712',
    'retinanet/retinanet_r50_fpn_1x_coco',
    'rpn/rpn_r50_fpn_1x_coco',
    'rtmdet/rtmdet-ins_tiny_8xb32-300e_coco',
    'soft_teacher/soft-teacher_faster-rcnn_r50-caffe_fpn_180k_semi-0.1-coco',
    'sparse_rcnn/sparse-rcnn_r50_fpn_1x_coco',
    'ssd/ssd300_coco',
    'swin/mask-rcnn_swin-t-p4-w7_fpn_1x_coco',
    'tood/tood_r50_fpn_1x_coco',
    'yolact/yolact_r50_1xb8-55e_coco',
    'yolo/yolov3_mobilenetv2_8xb24-320-300e_coco',
    'yolox/yolox_tiny_8xb8-300e_coco',
]
MMSEG = [
    'beit/beit-base_upernet_8xb2-160k_ade20k-640x640',
    'fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024',
    'mask2former/mask2former_r50_8xb2-160k_ade20k-512x512',
    'ocrnet/ocrnet_hr18_4xb2-40k_cityscapes-512x1024',
    'pspnet/pspnet_r50-d8_4xb2-40k_cityscapes-512x1024',
]
FAST = {
    'mmdet::retinanet/retinanet_r50_fpn_1x_coco.py',
    'mmdet::yolox/yolox_tiny_8xb8-300e_coco.py',
    'mmseg::fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py',
}
STOCK = [f'mmdet::{n}.py' for n in MMDET] + [f'mmseg::{n}.py' for n in MMSEG]


def shipped(name: str) -> Path:
    """Returns the file of a stock config."""
    package, _, path = name.partition('::')
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        pytest.skip(f'{package} is not installed')
    return Path(spec.origin).parent / '.mim/configs' / path


@pytest.mark.parametrize(
    'name',
    [
        pytest.param(name, marks=() if name in FAST else pytest.mark.slow)
        for name in STOCK
    ],
)
def test_an_adapted_config_builds_what_the_stock_one_does(
    name: str, tmp_path: Path
) -> None:
    base = Config.fromfile(shipped(name))
    ours = adapt(name, tmp_path / 'mine.py')
    *kept, hook = ours.custom_hooks
    assert [h.type for h in kept] == [
        h.type for h in base.get('custom_hooks') or []
    ]
    assert 'mmada' in ours.custom_imports.imports
    scope = name.partition('::')[0]
    with stock.as_a_rank(scope), stock.uninitialised():
        bare = MODELS.build(stock.model_config(base))
        model = MODELS.build(stock.model_config(ours))
        assert type(model) is type(bare)
        weighted = weigh_losses(model, ours.objectives)
        expected = stock.optimizer_options(bare, base.optim_wrapper)
        found = stock.optimizer_options(weighted, ours.optim_wrapper)
    assert found == expected
    with DefaultScope.overwrite_default_scope(scope):
        HOOKS.build(hook)
        TASK_UTILS.build(hook.weighting)


def test_there_are_families() -> None:
    assert len(MMDET) >= 25
    assert len(MMSEG) >= 5
    assert set(STOCK) > FAST
