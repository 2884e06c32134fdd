"""The command `mmada diagnose`, on a config with known gradients."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import pytest
from mmengine.registry import MODELS

from mmada.commands.command_line import main
from tests.test_diagnostics.test_gradients.test_measure import (
    PullingModel,
    write,
)


@MODELS.register_module()
class TaskModel(PullingModel):
    """Has each loss once a task, as the head of CenterPoint."""

    def forward(self, x: Any, y: Any, mode: str = 'tensor') -> dict[str, Any]:
        losses = super().forward(x, y, mode)
        return {
            f'task{task}.{name}': loss
            for task in range(3)
            for name, loss in losses.items()
        }


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write(tmp_path)


def test_a_table_words_and_a_picture(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = config.with_name('shares.png')
    arguments = ['--batches', '2', '--figure', str(picture)]
    assert main(['diagnose', str(config), *arguments]) == 0
    out = capsys.readouterr().out
    assert '2 batches of' in out and '2 numbers of the trunk' in out
    row = next(r.split() for r in out.splitlines() if r.startswith('loss_c '))
    assert row[:4] == ['loss_c', '0.02', '0.02', '0.002']
    assert 'losses are of' not in out
    assert 'The gradient of loss_c (0.20%) is small' in out
    assert 'In conflict, by cosine: loss_a and loss_b (-0.60)' in out
    assert f'picture: {picture}' in out
    pixels = cv2.imread(str(picture))
    # The bar of the first objective, and the matrix's red cell.
    assert (pixels == (178, 114, 0)).all(axis=2).sum() > 1000
    red = (pixels[..., 2] > 150) & (pixels[..., 0] < 120)
    assert red.sum() > 1000


def test_losses_of_one_kind_count_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(
        tmp_path,
        custom_imports=dict(imports=[__name__]),
        model=dict(type='TaskModel'),
    )
    arguments = ['--batches', '2', '--figure', str(tmp_path / 'shares.png')]
    assert main(['diagnose', str(path), *arguments]) == 0
    out = capsys.readouterr().out
    assert 'The 9 losses are of 3 kinds: a, b, c.' in out


def test_json_has_the_same_numbers(
    config: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(config.parent)
    assert main(['diagnose', str(config), '--json']) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report['schema'], report['batches']) == (1, 8)
    assert report['trunk'] == dict(parameters=1, numbers=2)
    first = report['objectives'][0]
    assert first['name'] == 'loss_a'
    assert first['norm'] == pytest.approx(5)
    assert report['cosines'][0] == pytest.approx([1, -0.6, 0.8])
    assert any('is small' in text for text in report['advice'])
    assert report['figure'] == 'work_dirs/config/gradients.png'
    assert Path(report['figure']).is_file()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (
            ['{}', '--batches', '1'],
            '--batches: should be at least 2. Found 1.',
        ),
        (['{}', '--figure', 'a.svg'], '--figure should end with .png'),
        (['{}', '--checkpoint', 'none.pth'], 'Found nothing at none.pth'),
        (['none.py'], 'argument config: should be an existing file'),
    ],
)
def test_what_cannot_be_used_is_one_line(
    config: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    filled = [word.format(config) for word in arguments]
    with pytest.raises(SystemExit, match='2'):
        main(['diagnose', *filled])
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith('mmada diagnose: error: ') and message in last
