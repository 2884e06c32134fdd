"""Which losses a model trains with, found by looking at it."""

from __future__ import annotations

from pathlib import Path

import mmdet
import pytest
from mmengine.config import Config
from mmengine.registry import DefaultScope

from mmada.commands.adapt.model_losses import find_losses


@pytest.mark.parametrize(
    ('config', 'losses'),
    [
        # It takes masks for what its boxes are assigned by.
        ('rtmdet/rtmdet_tiny_8xb32-300e_coco', ['loss_cls', 'loss_bbox']),
        (
            'rtmdet/rtmdet-ins_tiny_8xb32-300e_coco',
            ['loss_cls', 'loss_bbox', 'loss_mask'],
        ),
    ],
)
def test_detectors_that_want_masks_or_none(
    config: str, losses: list[str]
) -> None:
    path = Path(mmdet.__path__[0], '.mim/configs', f'{config}.py')
    with DefaultScope.overwrite_default_scope('mmdet'):
        found = find_losses(Config.fromfile(path), 'mmdet')
    assert found == losses
