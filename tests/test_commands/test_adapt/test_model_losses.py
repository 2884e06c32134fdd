"""Which losses a model trains with, found by looking at it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mmdet
import pytest
from mmengine.config import Config
from mmengine.registry import MODELS, DefaultScope
from torch import nn

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
    assert list(found) == losses


@MODELS.register_module()
class FailingDetector(nn.Module):
    """Says in the end of a long message what it lacks."""

    def __init__(self, words: int, data_preprocessor: Any) -> None:
        raise RuntimeError('begin ' + 'word ' * words + 'libfoo is missing')


def message(words: int) -> str:
    cfg = Config(dict(model=dict(type='FailingDetector', words=words)))
    with pytest.raises(ValueError, match='RuntimeError') as found:
        find_losses(cfg, 'mmdet')
    return str(found.value)


def test_a_long_error_keeps_both_ends() -> None:
    found = message(1000)
    assert found.startswith('RuntimeError: ')
    assert 'begin word' in found
    assert found.endswith('word libfoo is missing')
    assert ' … ' in found
    assert len(found) <= 303
    assert '…' not in message(3)
