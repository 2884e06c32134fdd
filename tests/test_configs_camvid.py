"""The configs of configs/camvid: what they train, and on what."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmdet.structures import DetDataSample
from mmdet.structures.mask import BitmapMasks
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import InstanceData, PixelData
from torch import nn

from mmada.datasets import CamVidPanopticDataset
from mmada.engine.optimizers.head_rule import GradientHeadRule
from mmada.models import is_loss
from tests.support import scripts
from tests.support.tiny_camvid import make_camvid

CONFIGS = Path(__file__).resolve().parents[1] / 'configs' / 'camvid'
OBJECTIVES = {
    'cascade_panoptic_lite0_camvid_ones': 10,
    'cascade_panoptic_lite0_camvid_inverse_loss': 4,
    'cascade_panoptic_lite0_camvid_ada_segment': 10,
    'cascade_panoptic_lite0_camvid_slope': 5,
    'cascade_panoptic_lite0_camvid_uncertainty': 11,
    'panoptic_fpn_lite0_camvid_ones': 4,
    'mask_rcnn_lite0_camvid_ones': 3,
}


def batch() -> dict[str, object]:
    """A car on a road."""
    mask = torch.zeros(1, 96, 128, dtype=torch.uint8)
    mask[0, 30:60, 40:90] = 1
    semantic = torch.full((1, 96, 128), 7)
    semantic[mask.bool()] = 1
    shape = (96, 128)
    sample = DetDataSample(
        metainfo=dict(img_shape=shape, ori_shape=shape, scale_factor=(1, 1))
    )
    sample.gt_instances = InstanceData(
        bboxes=torch.tensor([[40.0, 30, 90, 60]]),
        labels=torch.tensor([1]),
        masks=BitmapMasks(mask.numpy(), 96, 128),
    )
    sample.gt_sem_seg = PixelData(sem_seg=semantic)
    image = torch.randint(0, 256, (3, *shape), dtype=torch.uint8)
    return dict(inputs=[image], data_samples=[sample])


def test_all_of_them_are_listed() -> None:
    assert {path.stem for path in CONFIGS.glob('*.py')} == set(OBJECTIVES)


@pytest.mark.parametrize('name', OBJECTIVES)
def test_losses_of_each_config(name: str) -> None:
    torch.manual_seed(0)
    cfg = Config.fromfile(CONFIGS / f'{name}.py')
    with DefaultScope.overwrite_default_scope('mmdet'):
        model = MODELS.build(cfg.model)
        model.train()
        losses = model(**model.data_preprocessor(batch(), True), mode='loss')
        total, logged = model.parse_losses(losses)
        total.backward()
        optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    objectives = model.objective_weights.objectives
    assert len(objectives) == OBJECTIVES[name]
    objectives.check([n for n in logged if is_loss(n)])
    classes = CamVidPanopticDataset.METAINFO
    things, stuff = classes['thing_classes'], classes['stuff_classes']
    if 'seg' in objectives.names:
        head = model.semantic_head
        assert head.num_things_classes == len(things)
        assert head.num_stuff_classes == len(stuff)
    else:
        assert model.roi_head.bbox_head.num_classes == len(things)
        assert cfg.train_dataloader.dataset.metainfo.classes == things
    backbone = model.backbone
    assert backbone.layers[0].conv.weight.grad.abs().sum() > 0
    norms = [m for m in backbone.modules() if isinstance(m, nn.BatchNorm2d)]
    assert not any(norm.training for norm in norms)
    trained = {id(p) for g in optim_wrapper.param_groups for p in g['params']}
    assert not trained & {id(norm.weight) for norm in norms}
    assert isinstance(optim_wrapper.head_rule, GradientHeadRule)


@pytest.mark.parametrize('search', ['ada_segment', 'slope'])
def test_a_search_trains_on_other_images_than_its_rewards_are_of(
    search: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_camvid(tmp_path / 'published')
    out = str(tmp_path / 'camvid')
    scripts.load('convert_camvid_panoptic.py').main(
        [str(tmp_path / 'published'), out, '--workers', '1']
    )
    monkeypatch.setenv('MMADA_CAMVID', f'{out}/')
    config = CONFIGS / f'cascade_panoptic_lite0_camvid_{search}.py'
    module = scripts.load('check_data.py')
    assert scripts.exit_code(module.main, [str(config)]) == 0
