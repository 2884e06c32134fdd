"""The search of an adapted segmentor, on a few images of a stock data set."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.runner import Runner
from PIL import Image

from mmada.commands.command_line import main
from mmada.datasets.image_subset import read_ids
from tests.support.mmseg_scope import mmseg_scope
from tests.test_commands.test_adapt.tiny import adapt, nodes, shrink

__all__ = ['mmseg_scope']

STOCK = 'mmseg::fcn/fcn_r50-d8_4xb2-40k_cityscapes-512x1024.py'
CITIES = ('aachen', 'bonn', 'ulm')


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder with four images of each of three cities."""
    rng = np.random.default_rng(0)
    for part in ('train', 'val'):
        for name in (
            f'{city}/{city}_{i}' for city in CITIES for i in range(4)
        ):
            labels = np.kron(
                rng.integers(0, 19, (4, 8), np.uint8),
                np.ones((16, 16), np.uint8),
            )
            image = np.stack([labels * 13, 255 - labels, labels * 7], axis=-1)
            for pixels, file in (
                (image, f'leftImg8bit/{part}/{name}_leftImg8bit.png'),
                (labels, f'gtFine/{part}/{name}_gtFine_labelTrainIds.png'),
            ):
                path = tmp_path / 'data/cityscapes' / file
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Config, 'pretty_text', '')  # takes a second
    return tmp_path


def test_a_city_is_held_out_to_reward_a_search(
    folder: Path, mmseg_scope: None
) -> None:
    cfg = adapt(STOCK, folder / 'mine.py', '--method', 'slope')
    exploration = cfg.train_cfg.exploration
    assert exploration.ranks_per_replica == 4  # of 4xb2
    assert exploration.dataloader.batch_size == 8
    assert exploration.controller == dict(
        type='SlopeSearch', num_replicas=3, start=0
    )
    assert main(['split', 'mine.py', '--group-by', '^[a-z]+']) == 0
    ids = read_ids(str(exploration.dataloader.dataset.ids_file)).ids
    # That of the three whose '0:<city>' has the smallest SHA-256 (sha256sum).
    assert ids == tuple(f'aachen/aachen_{i}_leftImg8bit.png' for i in range(4))


def test_a_random_search_begins_at_ones_and_needs_no_control(
    folder: Path, mmseg_scope: None
) -> None:
    cfg = adapt(STOCK, folder / 'mine.py', '--method', 'random-search')
    exploration = cfg.train_cfg.exploration
    assert exploration.controller == dict(
        type='RandomSearch',
        num_replicas=5,
        rounds_per_training=exploration.num_rounds,
        low=1 / 3,
        high=3.0,
    )
    assert 'six trainings' not in (folder / 'mine.py').read_text()


@pytest.mark.slow
def test_a_search_trains_a_segmentor(folder: Path, mmseg_scope: None) -> None:
    cfg = adapt(STOCK, folder / 'mine.py', '--method', 'slope', '--gpus', 1)
    assert main(['split', 'mine.py', '--num-reward', '4']) == 0
    shrink(cfg)
    cfg.model.data_preprocessor.size = (96, 96)
    for node in nodes(cfg._cfg_dict):
        if node.get('type') in ('FCNHead', 'EncoderDecoder'):
            node.update({'channels': 16} if 'channels' in node else {})
    cfg.train_cfg.training.update(max_iters=2, val_interval=2)
    cfg.train_cfg.exploration.update(num_rounds=1, iters_per_round=2)
    cfg.work_dir = str(folder / 'work')
    Runner.from_cfg(cfg).train()
    (line,) = (
        (folder / 'work/exploration/history.jsonl').read_text().splitlines()
    )
    record = json.loads(line)
    assert record['objectives'] == ['decode.loss_ce', 'aux.loss_ce']
    assert len(record['metrics']) == 3
    assert record['weights'][0] == [1, 1]  # the centre of the design
    values = [each['semantic/mIoU'] for each in record['metrics']]
    assert all(0 <= value <= 100 for value in values)
    lines = (folder / 'work/weights.jsonl').read_text().splitlines()
    assert json.loads(lines[0])['objectives'] == record['objectives']
