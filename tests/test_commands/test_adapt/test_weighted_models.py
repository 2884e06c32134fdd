"""Configs of mmada, with a weighted model but nothing that sets weights."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from mmada.datasets import SceneOptions, make_scenes
from tests.test_commands.test_adapt.tiny import adapt

STOCK = 'configs/baselines/panoptic_fpn_tiny_scenes_ones.py'
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def stock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    scenes = tmp_path / 'scenes'
    count = dict(train=4, reward=2, test=1)
    make_scenes(scenes, SceneOptions((64, 96), count, 0, min_radius=6.0))
    monkeypatch.setenv('MMADA_SCENES', f'{scenes}/')
    monkeypatch.setattr(Config, 'pretty_text', '')  # takes a second
    return str(ROOT / STOCK)


@pytest.mark.parametrize('method', ['inverse-loss', 'slope'])
def test_nothing_is_there_twice(
    method: str,
    stock: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    cfg = adapt(stock, tmp_path / 'mine.py', '--method', method)
    assert 'custom_imports' not in (tmp_path / 'mine.py').read_text()
    assert cfg.custom_imports.imports == ['mmada']
    assert cfg.optim_wrapper.constructor == 'HeadRuleOptimWrapperConstructor'
    assert 'base_constructor' not in cfg.optim_wrapper
    assert [h.type for h in cfg.custom_hooks].count('EpochSeedHook') == 1
    # MMEngine logged that it read an environment variable, and then would the
    # first value of each parameter.
    assert 'KaimingInit' not in ''.join(capsys.readouterr())


def test_its_objectives_are_replaced(stock: str, tmp_path: Path) -> None:
    cfg = adapt(stock, tmp_path / 'mine.py')
    cfg.model.init_cfg = None
    cfg.train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1)
    cfg.update(val_dataloader=None, val_cfg=None, val_evaluator=None)
    cfg.work_dir = str(tmp_path / 'work')
    Runner.from_cfg(cfg).train()
    (line,) = (tmp_path / 'work/weights.jsonl').read_text().splitlines()
    record = json.loads(line)
    assert record['objectives'] == ['cls', 'bbox', 'mask', 'seg']
    assert min(record['losses']) > 0
