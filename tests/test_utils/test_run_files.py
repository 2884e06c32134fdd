"""Searches are found wherever they are in a work directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmada.utils.run_files import holds_run, search_directories

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


def test_links_are_followed_and_loops_are_not(tmp_path: Path) -> None:
    made(tmp_path / 'scratch', 'run.lock')
    work_dir = tmp_path / 'run'
    work_dir.mkdir()
    (work_dir / 'exploration').symlink_to(tmp_path / 'scratch')
    (work_dir / 'loop').symlink_to(work_dir)
    assert made(work_dir) == ['exploration']


@pytest.mark.parametrize('sign', ['last_checkpoint', '20260101/vis_data/x'])
def test_another_run_below_is_left_out(tmp_path: Path, sign: str) -> None:
    below = (f'other/{sign}', 'other/exploration/run.lock')
    assert made(tmp_path, *below) == []
    assert made(tmp_path, sign, 'exploration/run.lock') == ['exploration']


@pytest.mark.parametrize(
    'file',
    [
        'epoch_1.pth',
        'last_checkpoint',
        'weights.jsonl',
        '20260101/vis_data/config.py',
        'exploration/history.jsonl',
        'a/b/run.lock',
    ],
)
def test_a_run_has_logs_checkpoints_or_records(
    tmp_path: Path, file: str
) -> None:
    work_dir = tmp_path / 'run'
    made(work_dir, file)
    assert holds_run(work_dir)


def test_a_directory_with_runs_below_it_is_none(tmp_path: Path) -> None:
    below = ('last_checkpoint', 'weights.jsonl', 'exploration/run.lock')
    made(tmp_path, *(f'one/{name}' for name in below), 'report/report.html')
    assert not holds_run(tmp_path)
