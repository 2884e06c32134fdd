"""A search on joined data sets, as a user of PASCAL VOC comes to it."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope
from mmengine.runner import Runner

from mmada.commands.command_line import main
from mmada.datasets.image_subset import read_ids
from tests.test_commands.test_adapt.tiny import adapt, shrink

STOCK = 'mmdet::pascal_voc/retinanet_r50_fpn_1x_voc0712.py'
LIST = 'data/VOCdevkit/VOC2007/ImageSets/Main/trainval_proxy_reward.txt'
OBJECT = """<object><name>cat</name><difficult>0</difficult><bndbox>
<xmin>11</xmin><ymin>13</ymin><xmax>60</xmax><ymax>56</ymax>
</bndbox></object>"""
SIZE = '<size><width>96</width><height>64</height><depth>3</depth></size>'


def write_voc(root: Path, split: str, *names: str) -> None:
    """Writes images with a bright cat, as VOC has them."""
    for folder in ('JPEGImages', 'Annotations', 'ImageSets/Main'):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for name in names:
        pixels = np.zeros((64, 96, 3), np.uint8)
        pixels[12:56, 10:60] = 250
        cv2.imwrite(str(root / f'JPEGImages/{name}.jpg'), pixels)
        text = f'<annotation>{SIZE}{OBJECT}</annotation>'
        (root / f'Annotations/{name}.xml').write_text(text)
    lines = ''.join(f'{name}\n' for name in names)
    (root / f'ImageSets/Main/{split}.txt').write_text(lines)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder, with VOC where stock configs look for it."""
    root = tmp_path / 'data/VOCdevkit'
    early = [f'{k:06d}' for k in range(1, 7)]
    write_voc(root / 'VOC2007', 'trainval', *early)
    write_voc(root / 'VOC2007', 'test', '000007')
    late = [f'2008_{k:06d}' for k in range(1, 5)]
    write_voc(root / 'VOC2012', 'trainval', *late)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Config, 'pretty_text', '')  # takes a second
    return tmp_path


def searching(cfg: Config) -> None:
    """Makes a search of two rounds of it that a processor can do."""
    shrink(cfg)
    exploration = cfg.train_cfg.exploration
    exploration.update(num_rounds=2, iters_per_round=1)
    exploration.controller.num_replicas = 2
    cfg.train_cfg = exploration
    cfg.custom_hooks = []
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.test_cfg = cfg.test_dataloader = cfg.test_evaluator = None


@pytest.mark.slow
def test_rewards_are_of_the_first_and_the_others_stay_whole(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ('--method', 'ada-segment', '--gpus', 1)
    cfg = adapt(STOCK, folder / 'mine.py', *options)
    assert (
        'Images are held out of train_dataloader.dataset.dataset.datasets[0], '
        'the first of 2 joined data sets; the others stay whole.'
    ) in capsys.readouterr().out
    assert main(['split', 'mine.py', '--num-reward', '2']) == 0
    assert f'{LIST}: 2 of 6 images' in capsys.readouterr().out
    searching(cfg)
    loop = cfg.train_cfg
    with DefaultScope.overwrite_default_scope('mmdet'):
        trained = DATASETS.build(loop.dataloader.dataset)
        scored = DATASETS.build(loop.reward_dataloader.dataset)
    held_out = [scored.get_data_info(i)['img_id'] for i in range(2)]
    assert (len(scored), tuple(held_out)) == (2, read_ids(LIST).ids)
    seen = [trained.get_data_info(i)['img_id'] for i in range(len(trained))]
    assert len(seen) == 3 * (4 + 4)  # times=3
    assert len(set(seen)) == 8
    assert not {*seen} & {*held_out}
    cfg.work_dir = 'work'
    Runner.from_cfg(cfg).train()
    lines = Path('work/exploration/history.jsonl').read_text().splitlines()
    assert len(lines) == 2
    assert 'pascal_voc/mAP' in json.dumps(json.loads(lines[-1]))
