"""The script draws from a work directory, or says what is missing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import matplotlib.image
import pytest

from tests.test_visualization.records import epoch_record, round_record, write

Run = Callable[..., None]
SCRIPT = Path(__file__).resolve().parents[2] / 'tools/plot_exploration.py'


def test_writes_the_picture(tmp_path: Path) -> None:
    write(tmp_path / 'exploration/history.jsonl', [round_record(1)])
    write(tmp_path / 'weights.jsonl', [epoch_record(1)])
    result = subprocess.run(
        [sys.executable, SCRIPT, tmp_path], capture_output=True, text=True
    )
    target = tmp_path / 'exploration/weights.png'
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == str(target)
    assert matplotlib.image.imread(target).shape[1] > 500


def test_shows_what_was_maximised_unless_told_otherwise(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = [{'weighted_sum': 1.0}, {'weighted_sum': 2.0}]
    record = round_record(1, metrics=metrics, reward_metric='weighted_sum')
    write(tmp_path / 'exploration/history.jsonl', [record])
    run(SCRIPT, tmp_path)
    with pytest.raises(SystemExit):
        run(SCRIPT, tmp_path, '--metric', 'PQ')
    assert "Found 'PQ'" in capsys.readouterr().err


def test_no_round_yet(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / 'exploration/history.jsonl', [])
    with pytest.raises(SystemExit, match='2'):
        run(SCRIPT, tmp_path)
    assert 'at least one round' in capsys.readouterr().err.splitlines()[-1]


def test_no_exploration(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match='2'):
        run(SCRIPT, tmp_path)
    assert 'history.jsonl' in capsys.readouterr().err.splitlines()[-1]
