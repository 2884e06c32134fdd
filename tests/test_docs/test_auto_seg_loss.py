"""The settings of the pages on Auto Seg-Loss train stock models."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmada.commands.adapt.model_losses import find_losses
from mmada.commands.argument_types import shipped_config
from mmada.models import AutoSegLoss
from tests.test_docs.pages import DOCS, read_blocks

FCN = 'mmseg::fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py'
PANOPTIC_FPN = 'mmdet::panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py'


def losses_with(page: str, test: str, stock: str, folder: Path) -> list[str]:
    """Returns the losses of a stock model with the settings of a page."""
    (text,) = (
        block.text
        for block in read_blocks(DOCS / page)
        if block.mark and block.mark[1].endswith(test)
    )
    path = folder / 'settings.py'
    path.write_text(f'_base_ = {str(shipped_config(stock))!r}\n{text}')
    scope = stock.partition('::')[0]
    with DefaultScope.overwrite_default_scope(scope):
        return list(find_losses(Config.fromfile(path), scope))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Collects the shapes of the logits that the loss is given."""
    shapes = []
    forward = AutoSegLoss.forward

    def spy(self, cls_score, *args, **kwargs):
        shapes.append(tuple(cls_score.shape))
        return forward(self, cls_score, *args, **kwargs)

    monkeypatch.setattr(AutoSegLoss, 'forward', spy)
    return shapes


def test_the_released_loss_trains_a_decode_head(
    tmp_path: Path, calls: list[tuple[int, ...]]
) -> None:
    pytest.importorskip('mmseg')
    name = 'test_the_released_loss_trains_a_decode_head'
    losses = losses_with('mmsegmentation.md', name, FCN, tmp_path)
    assert losses == ['decode.loss_asl', 'aux.loss_ce']
    assert calls == [(2, 19, 128, 128)]


def test_the_sum_trains_a_semantic_head(
    tmp_path: Path, calls: list[tuple[int, ...]]
) -> None:
    name = 'test_the_sum_trains_a_semantic_head'
    losses = losses_with('auto_seg_loss.md', name, PANOPTIC_FPN, tmp_path)
    assert 'loss_seg' in losses
    assert calls == [(2, 54, 32, 32)]  # whole maps of 53 kinds and things
