"""The config of the page trains, on narrow layers and a few small images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from tests.support.label_sets import write_dataset
from tests.test_docs.pages import DOCS, read_blocks
from tests.test_integration.test_paper_families import shrink

THINGS = 80


@pytest.mark.slow
def test_the_config_trains(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (text,) = (
        block.text
        for block in read_blocks(DOCS / 'panoptic.md')
        if block.language == 'python'
    )
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    path = tmp_path / 'panoptic_fpn_weighted.py'
    path.write_text(text)
    cfg = Config.fromfile(path)
    shrink(cfg._cfg_dict)
    cfg.model.backbone.update(base_channels=8, init_cfg=None)
    cfg.train_cfg.max_epochs = 1
    cfg.work_dir = 'work_dirs/panoptic_fpn_weighted'
    cfg.log_level = 'ERROR'
    write_dataset(cfg.train_dataloader.dataset, THINGS, num_images=4)
    write_dataset(cfg.val_dataloader.dataset, THINGS, num_images=2, seed=1)
    runner = Runner.from_cfg(cfg)
    runner.train()
    (epoch,) = Path(cfg.work_dir, 'weights.jsonl').read_text().splitlines()
    weights = json.loads(epoch)
    assert len(set(weights['weights'])) == 4
    quality = runner.message_hub.get_scalar('val/coco_panoptic/PQ')
    assert 0 <= quality.current() <= 100
