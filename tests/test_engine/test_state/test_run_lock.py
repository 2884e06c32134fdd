"""A directory belongs to one live run."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from mmada.engine.state.run_lock import RunLock, RunLockedError

FORK = multiprocessing.get_context('fork')


def hold(directory: Path) -> None:
    RunLock(directory).acquire()
    (directory / 'held').touch()
    time.sleep(60)


def hold_with_worker(directory: Path) -> None:
    RunLock(directory).acquire()
    worker = FORK.Process(target=time.sleep, args=(60,))
    worker.start()
    (directory / 'worker').write_text(str(worker.pid))
    (directory / 'held').touch()
    time.sleep(60)


def started(target, directory: Path):
    child = FORK.Process(target=target, args=(directory,))
    child.start()
    limit = time.monotonic() + 30
    while not (directory / 'held').exists():
        assert time.monotonic() < limit
        time.sleep(0.01)
    return child


def test_second_live_run_is_refused(tmp_path: Path) -> None:
    child = started(hold, tmp_path)
    with pytest.raises(RunLockedError) as caught:
        RunLock(tmp_path).acquire()
    child.kill()
    child.join()
    assert f'process {child.pid} on host {socket.gethostname()}' in str(
        caught.value
    )
    assert str(tmp_path / 'run.lock') in str(caught.value)


def test_file_lock_excludes_a_run_that_has_not_named_itself_yet(
    tmp_path: Path,
) -> None:
    child = started(hold, tmp_path)
    (tmp_path / 'run.lock').write_bytes(b'')
    with pytest.raises(RunLockedError, match='in use by another process'):
        RunLock(tmp_path).acquire()
    child.kill()
    child.join()


def test_lock_of_a_killed_run_is_taken_over(tmp_path: Path) -> None:
    child = started(hold, tmp_path)
    child.kill()
    child.join()
    with RunLock(tmp_path):
        owner = json.loads((tmp_path / 'run.lock').read_text())
        assert owner['pid'] == os.getpid()
        assert owner['host'] == socket.gethostname()
        assert owner['start_time'] > 0


def test_worker_of_a_killed_run_does_not_hold_the_lock(
    tmp_path: Path,
) -> None:
    child = started(hold_with_worker, tmp_path)
    worker = int((tmp_path / 'worker').read_text())
    child.kill()
    child.join()
    try:
        os.kill(worker, 0)
        with RunLock(tmp_path):
            pass
    finally:
        os.kill(worker, signal.SIGKILL)


def test_released_and_taken_again(tmp_path: Path) -> None:
    lock = RunLock(tmp_path / 'new')
    for _ in range(2):
        with lock:
            pass
        assert (tmp_path / 'new' / 'run.lock').read_bytes() == b''


def test_released_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), RunLock(tmp_path):
        raise KeyError('x')
    with RunLock(tmp_path):
        pass


def test_a_failing_disk_does_not_hide_the_error_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(5, 'Input/output error')

    with pytest.raises(KeyError), RunLock(tmp_path):
        monkeypatch.setattr(os, 'fsync', fail)
        raise KeyError('x')
    monkeypatch.undo()
    with RunLock(tmp_path):
        pass


def test_twice_in_one_process_is_refused_and_still_held(
    tmp_path: Path,
) -> None:
    with RunLock(tmp_path):
        with pytest.raises(RunLockedError, match='this process already'):
            RunLock(tmp_path / '.').acquire()
        child = FORK.Process(target=_try, args=(tmp_path,))
        child.start()
        child.join(30)
        assert child.exitcode == 3


def _try(directory: Path) -> None:
    # A forked child remembers what its parent holds; forget it, as a new
    # program would.
    from mmada.engine.state import run_lock

    run_lock._held.clear()
    try:
        RunLock(directory).acquire()
    except RunLockedError:
        os._exit(3)
    os._exit(0)


def test_recycled_process_id_is_not_the_owner(tmp_path: Path) -> None:
    owner = {
        'pid': os.getpid(),
        'host': socket.gethostname(),
        'start_time': 1,
    }
    (tmp_path / 'run.lock').write_text(json.dumps(owner))
    with RunLock(tmp_path):
        pass


def test_live_owner_without_file_locks_is_respected(tmp_path: Path) -> None:
    stat = Path('/proc/1/stat').read_text()
    owner = {
        'pid': 1,
        'host': socket.gethostname(),
        'start_time': int(stat.rpartition(')')[2].split()[19]),
    }
    (tmp_path / 'run.lock').write_text(json.dumps(owner))
    with pytest.raises(RunLockedError, match='process 1 on host'):
        RunLock(tmp_path).acquire()


def test_owner_on_another_host_is_respected(tmp_path: Path) -> None:
    owner = {'pid': 1, 'host': 'elsewhere', 'start_time': 5}
    (tmp_path / 'run.lock').write_text(json.dumps(owner))
    with pytest.raises(RunLockedError, match='process 1 on host elsewhere'):
        RunLock(tmp_path).acquire()


@pytest.mark.parametrize(
    ('job', 'restart', 'free'),
    [
        ('7', '2', True),
        ('7', '1', False),  # of the same start: another step of the job
        ('8', '2', False),
        (None, None, False),
    ],
)
def test_a_job_that_slurm_starts_again_takes_over_from_another_host(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    job: str | None,
    restart: str | None,
    free: bool,
) -> None:
    monkeypatch.setenv('SLURM_CLUSTER_NAME', 'c')
    for name, value in (('JOB_ID', job), ('RESTART_COUNT', restart)):
        monkeypatch.delenv(f'SLURM_{name}', raising=False)
        if value is not None:
            monkeypatch.setenv(f'SLURM_{name}', value)
    owner = {'pid': 1, 'host': 'elsewhere', 'start_time': 5}
    owner |= {'job': 'c/7', 'restart': 1}
    (tmp_path / 'run.lock').write_text(json.dumps(owner))
    if not free:
        with pytest.raises(RunLockedError, match='process 1 on host elsewhe'):
            RunLock(tmp_path).acquire()
        return
    with RunLock(tmp_path):
        own = json.loads((tmp_path / 'run.lock').read_text())
        assert (own['job'], own['restart']) == ('c/7', 2)


@pytest.mark.parametrize('text', ['', '{"pid": 1, "ho', '[]', '\0\0'])
def test_half_written_lock_names_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / 'run.lock').write_text(text)
    with RunLock(tmp_path):
        pass
