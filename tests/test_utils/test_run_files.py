"""Searches are found wherever they are in a work directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmada.utils.run_files import search_directories

LEFTOVER = f'tmp.{"0f" * 16}'


def made(work_dir: Path, *names: str) -> list[str]:
    """Make files, and return the searches relative to the directory."""
    for name in names:
        path = work_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = search_directories(work_dir)
    return [str(path.relative_to(work_dir)) for path in found]


@pytest.mark.parametrize(
    'file',
    [
        'run.lock',
        'states/step_00000003/state.pt',
        'initial/step_00000000/state.pt',
        f'states/{LEFTOVER}/state.pt',
    ],
)
@pytest.mark.parametrize('directory', ['exploration', 'a/b', '.'])
def test_a_search_has_a_lock_or_states(
    tmp_path: Path, directory: str, file: str
) -> None:
    assert made(tmp_path, f'{directory}/{file}') == [directory]


def test_all_searches_are_found_once_and_in_order(tmp_path: Path) -> None:
    files = ('run.lock', 'states/step_00000001/x', 'initial/step_00000000/x')
    names = [f'{search}/{file}' for search in 'ba' for file in files]
    assert made(tmp_path, *names) == ['a', 'b']


def test_what_is_no_search_is_not_found(tmp_path: Path) -> None:
    names = ('exploration/status.json', 'states/other', 'vis_data/x.json')
    assert made(tmp_path, *names) == []
