"""Means over searches, round by round."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.scripts import load

TOOLS = Path(__file__).parents[2] / 'tools' / 'benchmarks'


@pytest.fixture
def tool() -> ModuleType:
    return load('benchmarks/search_signal.py')


def write(folder: Path, spreads: list[float]) -> Path:
    records = [
        dict(
            round=i,
            objectives=['cls', 'seg'],
            weights=[[1.0, 1.0], [0.5, 1.0 + spread]],
            best=1,
            info=dict(spread=spread),
        )
        for i, spread in enumerate(spreads, 1)
    ]
    (folder / 'exploration').mkdir(parents=True)
    text = '\n'.join(map(json.dumps, records))
    (folder / 'exploration' / 'history.jsonl').write_text(text)
    return folder


def test_means_of_two_searches(tool, tmp_path, capsys) -> None:  # type: ignore[no-untyped-def]
    first = write(tmp_path / 'a', [1.0, 0.5])
    second = write(tmp_path / 'b', [2.0, 1.5])
    tool.main([str(first), str(second)])
    rows = capsys.readouterr().out.splitlines()
    assert rows[2] == '| 1 | 1.50 | - | 0.50 | 2.50 |'
    assert rows[3] == '| 2 | 1.00 | - | 0.50 | 2.00 |'


def test_searches_of_other_lengths_are_refused(tool, tmp_path) -> None:  # type: ignore[no-untyped-def]
    folders = [write(tmp_path / 'a', [1.0]), write(tmp_path / 'b', [1.0, 2.0])]
    with pytest.raises(ValueError, match=r'found \[1, 2\]'):
        tool.read(folders)


def test_a_folder_without_a_search_is_refused(tool, tmp_path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match='is no search'):
        tool.read([tmp_path])
