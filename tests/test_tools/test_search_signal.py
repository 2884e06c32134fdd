"""Means over searches, round by round."""

from __future__ import annotations

import math
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.scripts import load
from tests.test_visualization import records


@pytest.fixture
def tool() -> ModuleType:
    return load('benchmarks/search_signal.py')


def write(folder: Path, spreads: list[float]) -> Path:
    rounds = [
        records.round_record(
            i,
            objectives=['cls', 'seg'],
            weights=[[1.0, 1.0], [0.5, 1.0 + spread]],
            info=dict(spread=spread),
            # Noise of the difference: sqrt(2), of a replica: 1.
            resamples=[[1.0, 3.0], [2.0, 2.0]],
        )
        for i, spread in enumerate(spreads, 1)
    ]
    records.write(folder / 'exploration' / 'history.jsonl', rounds)
    return folder


def test_means_of_two_searches(tool, tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    first = write(tmp_path / 'a', [1.0, 0.5])
    second = write(tmp_path / 'b', [2.0, 1.5])
    tool.main([str(first), str(second)])
    rows = capsys.readouterr().out.splitlines()
    assert rows[2] == '| 1 | 1.50 | 1.00 | 0.71 | - | - | - | 0.50 | 2.50 |'
    assert rows[3] == '| 2 | 1.00 | 1.00 | 0.71 | - | - | - | 0.50 | 2.00 |'


def test_slopes_of_the_rounds_and_of_the_end(tool, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Four points on two axes, and a control that is none of them."""
    e = math.e
    weights = [[e, 1, 1 / e], [1 / e, 1, e]]
    weights += [[e, e**-2, e], [1 / e, e**2, 1 / e], [1.0, 1.0, 1.0]]
    metrics = [[3, 1, 2, 2, 9], [2, 2, 3, 1, 9], [3, 1, 2, 2, 9]]
    rounds = [
        records.round_record(
            i,
            objectives=['cls', 'box', 'seg'],
            weights=weights,
            rewards=[0.0] * 5,
            metrics=[{'coco_panoptic/PQ': float(v)} for v in found],
        )
        for i, found in enumerate(metrics, 1)
    ]
    records.write(tmp_path / 'exploration' / 'history.jsonl', rounds)
    (search,) = tool.read([tmp_path])
    assert tool.slope_agreement(search) == pytest.approx([1, 0, 1])
    # Orthogonal slopes, (1, 0, -1) and (1, -2, 1): sqrt(2) / sqrt(2 + 6).
    assert tool.slope_agreement(search, 2) == pytest.approx([1, 0.5, 0.5])


def test_searches_of_other_lengths_are_refused(tool, tmp_path) -> None:  # type: ignore[no-untyped-def]
    folders = [write(tmp_path / 'a', [1.0]), write(tmp_path / 'b', [1.0, 2.0])]
    with pytest.raises(ValueError, match=r'Found \[1, 2\]'):
        tool.read(folders)


def test_a_folder_without_a_search_is_refused(tool, tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match='Found no round in'):
        tool.read([tmp_path])
