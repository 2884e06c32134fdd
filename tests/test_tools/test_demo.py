"""The demo in its quick size, as a user would run it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
METHODS = [
    'ones',
    'inverse-loss weighting',
    'uncertainty weighting',
    'Ada-Segment',
    'SlopeSearch',
    'ones, losses on their right scale',
]


def start(work_dir):
    command = [sys.executable, 'tools/demo.py', '--size', 'quick']
    return subprocess.Popen(
        [*command, '--work-dir', str(work_dir)],
        cwd=ROOT,
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(work_dir):
    process = start(work_dir)
    output, _ = process.communicate(timeout=900)
    logs = (path.read_text() for path in work_dir.glob('*/output.log'))
    assert process.returncode == 0, '\n'.join([output, *logs])
    return output


def kill_in_second_round(work_dir):
    """Kills the demo and its trainings as soon as a round is done."""
    process = start(work_dir)
    history = work_dir / 'ada_segment/exploration/history.jsonl'
    try:
        while not history.exists() or not history.read_text():
            assert process.poll() is None, process.stdout.read()[-3000:]
            time.sleep(0.05)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    work_dir = tmp_path_factory.mktemp('whole')
    return work_dir, finish(work_dir)


def test_ends_with_a_table_and_two_pictures(whole):
    work_dir, output = whole
    table = (work_dir / 'results.md').read_text()
    rows = [line.split('|')[1].strip() for line in table.splitlines()[2:]]
    assert rows == METHODS
    assert all(method in output for method in METHODS)
    for name in ('weights.png', 'images.png'):
        assert (work_dir / name).read_bytes().startswith(b'\x89PNG')
    assert '[ada_segment] round 2/2 | replica 2/2' in output
    page = work_dir / 'slope_search/report/report.html'
    assert f'{page}; open it: xdg-open' in output
    assert page.stat().st_size > 10_000
    assert 'Against ones, in PQ: inverse-loss weighting ' in output
    assert ' min left in all' in output


def test_a_second_call_reuses_everything(whole):
    work_dir, _ = whole
    before = (work_dir / 'results.md').read_text()
    output = finish(work_dir)
    assert '[ada_segment]' not in output
    assert (work_dir / 'results.md').read_text() == before


def test_killed_and_called_again_gives_the_same_table(whole, tmp_path):
    kill_in_second_round(tmp_path)
    output = finish(tmp_path)
    assert '[pretraining]' not in output
    expected = (whole[0] / 'results.md').read_text()
    assert (tmp_path / 'results.md').read_text() == expected
