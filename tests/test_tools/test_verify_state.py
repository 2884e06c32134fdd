"""The script prints what is there, and its exit status judges it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.test_engine.test_inspection import damage, fill, state

ROOT = Path(__file__).resolve().parents[2]


def verify(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, 'tools/verify_state.py', *map(str, args)]
    return subprocess.run(
        command,
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'},
    )


def test_good_states(tmp_path: Path) -> None:
    result = verify(fill(tmp_path, checkpoints=1))
    assert result.returncode == 0, result.stderr
    newest = state(tmp_path, 1)
    assert (
        f'good  {newest.parent}, {newest.stat().st_size} bytes, '
        '3 rounds done, 2 replicas of the next'
    ) in result.stdout
    assert '"objectives": ["loss_cls", "loss_seg"]' in result.stdout
    last = tmp_path / 'epoch_1.pth'
    assert result.stdout.splitlines()[-1] == (
        f'A resume goes on from the training at {last}.'
    )


def test_damage_still_tells_what_a_resume_would_use(tmp_path: Path) -> None:
    damage(state(fill(tmp_path), 1))
    result = verify(tmp_path, '--json')
    assert result.returncode == 1
    report = json.loads(result.stdout)
    assert report['resume'].endswith('step_00000000')
    assert report['obstacle'] is None
    assert [s['problem'] is None for s in report['states']] == [False, True]
    text = verify(tmp_path).stdout
    assert 'BAD' in text and 'damaged: ' in text
    assert 'step_00000000.' in text.splitlines()[-1]


def test_nothing_there(tmp_path: Path) -> None:
    result = verify(tmp_path)
    assert result.returncode == 0
    assert result.stdout.splitlines()[-1] == 'There is nothing to resume.'
    result = verify(tmp_path / 'absent')
    assert result.returncode == 1
    assert 'is no directory' in result.stderr
