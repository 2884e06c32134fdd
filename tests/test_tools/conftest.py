"""What the tests of the tools share."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.toy import MODEL, OPTIM_WRAPPER, dataloader
from tests.support.trained_scenes import train_on_rewards

Run = Callable[..., None]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a script as ``python script arguments`` would."""

    def run_script(script: Path, *arguments: object) -> None:
        monkeypatch.setenv('LOCAL_RANK', '0')
        monkeypatch.syspath_prepend(str(script.parent))
        monkeypatch.setattr(sys, 'argv', [str(script), *map(str, arguments)])
        runpy.run_path(str(script), run_name='__main__')

    return run_script


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A config file of two epochs of training."""
    content = dict(
        custom_imports=dict(imports=['mmada', 'tests.support.toy']),
        default_scope='mmdet',
        model=MODEL,
        optim_wrapper=OPTIM_WRAPPER,
        train_dataloader=dataloader(),
        train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=2),
        test_dataloader=dataloader(offset=1, shuffle=False),
        test_evaluator=dict(type='ToyMetric'),
        test_cfg=dict(type='TestLoop'),
        auto_scale_lr=dict(enable=False, base_batch_size=16),
        log_level='ERROR',
        experiment_name=tmp_path.name,
    )
    path = tmp_path / 'toy_config.py'
    path.write_text(''.join(f'{k} = {v!r}\n' for k, v in content.items()))
    return path


@pytest.fixture(scope='session')
def trained_scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of scenes with a small cascade that knows some of them.

    `checkpoint.pth` was trained on the images of the reward.
    """
    folder = tmp_path_factory.mktemp('trained') / 'scenes'
    train_on_rewards(folder)
    return folder
