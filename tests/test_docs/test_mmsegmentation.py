"""The settings of the page train a segmentor."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from tests.support import tiny_data
from tests.support.mmseg_scope import mmseg_scope
from tests.support.tiny_segmentor import SEGMENTOR
from tests.test_docs.pages import DOCS, read_blocks

pytestmark = pytest.mark.slow

__all__ = ['mmseg_scope']


def test_the_settings_train_a_segmentor(
    tmp_path: Path, mmseg_scope: None
) -> None:
    (text,) = (
        block.text
        for block in read_blocks(DOCS / 'mmsegmentation.md')
        if block.mark and block.mark[1].endswith('train_a_segmentor')
    )
    path = tmp_path / 'settings.py'
    path.write_text(text)
    settings = Config.fromfile(path)
    settings.optim_wrapper.optimizer = dict(type='SGD', lr=0.01)
    loader = tiny_data.dataloader(0, 4, batch_size=2)
    loader['dataset']['type'] = 'TinyMaps'
    Runner(
        model=SEGMENTOR,
        work_dir=str(tmp_path / 'run'),
        train_dataloader=loader,
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=2),
        optim_wrapper=settings.optim_wrapper,
        custom_hooks=settings.custom_hooks,
        default_scope='mmseg',
        log_level='ERROR',
    ).train()
    lines = (tmp_path / 'run/weights.jsonl').read_text().splitlines()
    assert len(lines) == 2
    last = json.loads(lines[-1])
    weights = dict(zip(last['objectives'], last['weights'], strict=True))
    assert weights.keys() == {'decode', 'aux'}
    assert weights['decode'] != weights['aux']
