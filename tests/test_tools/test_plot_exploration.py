"""The script draws from a work directory, or says what is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import matplotlib.image

from tests.test_visualization.records import epoch_record, round_record, write

ROOT = Path(__file__).resolve().parents[2]


def plot(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, 'tools/plot_exploration.py', *map(str, args)]
    return subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'},
    )


def test_writes_the_picture(tmp_path: Path) -> None:
    write(tmp_path / 'exploration/history.jsonl', [round_record(1)])
    write(tmp_path / 'weights.jsonl', [epoch_record(1)])
    result = plot(tmp_path)
    target = tmp_path / 'exploration/weights.png'
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[-1] == str(target)
    assert matplotlib.image.imread(target).shape[1] > 500


def test_shows_what_was_maximised_unless_told_otherwise(
    tmp_path: Path,
) -> None:
    metrics = [{'weighted_sum': 1.0}, {'weighted_sum': 2.0}]
    record = round_record(1, metrics=metrics, reward_metric='weighted_sum')
    write(tmp_path / 'exploration/history.jsonl', [record])
    assert plot(tmp_path).returncode == 0
    assert "Found 'PQ'" in plot(tmp_path, '--metric', 'PQ').stderr


def test_no_round_yet(tmp_path: Path) -> None:
    write(tmp_path / 'exploration/history.jsonl', [])
    result = plot(tmp_path)
    assert result.returncode == 2
    assert 'at least one round' in result.stderr.splitlines()[-1]


def test_no_exploration(tmp_path: Path) -> None:
    result = plot(tmp_path)
    assert result.returncode == 2
    assert 'history.jsonl' in result.stderr.splitlines()[-1]
    assert 'Traceback' not in result.stderr
