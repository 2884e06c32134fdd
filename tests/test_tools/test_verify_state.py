"""The script prints what is there, and its exit status judges it."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from mmada.engine import save_policy
from mmada.engine.state import StateStore
from tests.test_diagnostics.test_work_dir import damage, fill, state
from tests.test_policies.test_policy_file import ENSEMBLE

SCRIPT = Path(__file__).resolve().parents[2] / 'tools/verify_state.py'


class Result(NamedTuple):
    status: int | str | None
    lines: list[str]


@pytest.fixture
def verify(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Result]:
    def run(*arguments: object) -> Result:
        monkeypatch.syspath_prepend(str(SCRIPT.parent))
        monkeypatch.setattr(sys, 'argv', [str(SCRIPT), *map(str, arguments)])
        with pytest.raises(SystemExit) as caught:
            runpy.run_path(str(SCRIPT), run_name='__main__')
        return Result(caught.value.code, capsys.readouterr().out.splitlines())

    return run


def test_good_states(tmp_path: Path, verify: Callable[..., Result]) -> None:
    result = verify(fill(tmp_path, checkpoints=1))
    assert result.status == 0
    newest = state(tmp_path, 1)
    assert result.lines[1] == (
        f'good  {newest.parent}, {newest.stat().st_size} bytes, '
        '3 rounds and 2 replicas of the next'
    )
    assert '"objectives": ["loss_cls", "loss_seg"]' in '\n'.join(result.lines)
    last = tmp_path / 'epoch_1.pth'
    assert result.lines[-1] == (
        f'A resume goes on from the training at {last}.'
    )


def test_a_complete_search_and_its_policy(
    tmp_path: Path, verify: Callable[..., Result]
) -> None:
    store = StateStore(tmp_path / 'exploration/states', dict(num_rounds=3))
    store.commit(0, dict(round=2, results={0: {}, 1: {}}))
    store.commit(1, dict(round=3, results={}))
    save_policy(tmp_path / 'policy.safetensors', ENSEMBLE)
    lines = verify(tmp_path).lines
    assert lines[1].endswith(' bytes, complete: all 3 rounds are done')
    assert lines[2].endswith(
        ' bytes, 2 of 3 rounds and 2 replicas of the next'
    )
    (policy,) = [line for line in lines if 'policy.safetensors' in line]
    assert policy.endswith(' bytes, 2 policies for cls, box, seg')


def test_damage_still_tells_what_a_resume_would_use(
    tmp_path: Path, verify: Callable[..., Result]
) -> None:
    damage(state(fill(tmp_path), 1))
    result = verify(tmp_path)
    assert result.status == 1
    assert result.lines[1].startswith('BAD ')
    assert 'step_00000000.' in result.lines[-1]


def test_no_resume(tmp_path: Path, verify: Callable[..., Result]) -> None:
    damage(state(fill(tmp_path, steps=1), 0))
    result = verify(tmp_path)
    assert result.status == 1
    assert 'A resume is not possible: all states' in '\n'.join(result.lines)


def test_json_is_all_that_is_printed(tmp_path: Path) -> None:
    damage(state(fill(tmp_path), 1))
    result = subprocess.run(
        [sys.executable, SCRIPT, tmp_path, '--json'],
        capture_output=True,
        text=True,
        env={'PYTHONPATH': str(SCRIPT.parents[1]), 'OMP_NUM_THREADS': '1'},
    )
    assert result.returncode == 1
    report = json.loads(result.stdout)
    assert report['resume'].endswith('step_00000000')
    assert report['obstacle'] is None
    assert [s['problem'] is None for s in report['searches'][0]['states']] == [
        False,
        True,
    ]


def test_all_searches_are_listed(
    tmp_path: Path, verify: Callable[..., Result]
) -> None:
    fill(tmp_path, directory='first')
    damage(state(fill(tmp_path, directory='second'), 1, 'second'))
    result = verify(tmp_path)
    assert result.status == 1
    headings = [line for line in result.lines if line.startswith('explor')]
    assert headings == [
        f'exploration in {tmp_path / name}:' for name in ('second', 'first')
    ]
    newest = state(tmp_path, 0, 'second').parent
    assert result.lines[-1] == (
        f'A resume goes on from the exploration at {newest}.'
    )


def test_nothing_there(tmp_path: Path, verify: Callable[..., Result]) -> None:
    result = verify(tmp_path)
    assert result.status == 0
    assert result.lines[-1] == 'There is nothing to resume.'


def test_no_directory(
    tmp_path: Path,
    verify: Callable[..., Result],
) -> None:
    assert verify(tmp_path / 'absent').status == 2
