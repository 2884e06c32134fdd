"""One live run per directory."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import socket
from pathlib import Path
from types import TracebackType
from typing import Any

from mmada.utils.run_files import LOCK_FILE

_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
_held: set[Path] = set()


class RunLockedError(RuntimeError):
    """Another live run uses the directory."""


class RunLock:
    """Context manager that keeps a second run out of a directory.

    The file ``run.lock`` names the holder by process id, host and start
    time. While the holder lives, its file lock excludes others; once it is
    dead, the lock is taken over, also after SIGKILL. A holder on another
    host cannot be examined and is taken to be alive, unless Slurm has started
    the same job again since.

    The file lock is a POSIX record lock: unlike flock, it does not pass to
    data loader workers, which may outlive a killed parent for seconds.

    Args:
        directory: Directory of the run; made if missing.
    """

    def __init__(self, directory: Path) -> None:
        self.path = Path(directory).resolve() / LOCK_FILE
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            RunLockedError: If another run holds it, naming the holder.
        """
        # Asked first: closing any descriptor of a file drops all record
        # locks that the process has on it.
        if self.path in _held:
            raise RunLockedError(f'this process already holds {self.path}')
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            free = _lock_file(descriptor)
            owner = _parse(os.read(descriptor, 4096))
            if not free or _may_live(owner):
                raise RunLockedError(_refusal(self.path, owner))
            _overwrite(descriptor, json.dumps(_identity()).encode())
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        _held.add(self.path)

    def release(self) -> None:
        """Give the lock back; without effect if it is not held."""
        if self._descriptor is None:
            return
        # The file stays: removing it could take away a lock that another
        # process has just got on the same name.
        # And on a disk that fails, the error that ended the run is the one
        # to be seen; closing the file frees it in any case.
        with contextlib.suppress(OSError):
            _overwrite(self._descriptor, b'')
        os.close(self._descriptor)
        self._descriptor = None
        _held.discard(self.path)

    def __enter__(self) -> RunLock:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


def lock_holder(directory: Path) -> str | None:
    """Name the run that uses a directory, without touching its lock.

    Returns:
        Process and host; None if no live run holds the lock. A holder on
        another host is taken to be alive.
    """
    try:
        owner = _parse((Path(directory) / LOCK_FILE).read_bytes())
    except FileNotFoundError:
        return None
    return _name(owner) if _may_live(owner) else None


def _lock_file(descriptor: int) -> bool:
    """Lock a file; return whether no other process has it locked."""
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        # Without locks in the file system the named owner decides alone.
        return error.errno in _NO_LOCKS
    return True


def _overwrite(descriptor: int, text: bytes) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, text, 0)
    os.fsync(descriptor)


def _parse(text: bytes) -> dict[str, Any]:
    """Return the owner that a file names; half-written text names none."""
    try:
        owner = json.loads(text)
    except ValueError:
        return {}
    return owner if isinstance(owner, dict) else {}


def _identity() -> dict[str, Any]:
    pid = os.getpid()
    return {
        'pid': pid,
        'host': socket.gethostname(),
        'start_time': _start_time(pid),
        **_slurm_start(),
    }


def _slurm_start() -> dict[str, Any]:
    """Return which start of which job this is; nothing outside Slurm."""
    if 'SLURM_JOB_ID' not in os.environ:
        return {}
    cluster = os.environ.get('SLURM_CLUSTER_NAME', '')
    return {
        'job': f'{cluster}/{os.environ["SLURM_JOB_ID"]}',
        'restart': int(os.environ.get('SLURM_RESTART_COUNT', 0)),
    }


def _may_live(owner: dict[str, Any]) -> bool:
    """Return whether the owner lives, or cannot be examined from here."""
    if not owner or _is_earlier_start(owner, _slurm_start()):
        return False
    if owner.get('host') != socket.gethostname():
        return True
    started = _start_time(owner.get('pid', 0))
    return started is not None and started == owner.get('start_time')


def _is_earlier_start(owner: dict[str, Any], own: dict[str, Any]) -> bool:
    """Return whether Slurm ended the owner before it started the job again."""
    same = 'job' in own and owner.get('job') == own['job']
    return same and owner.get('restart', 0) < own['restart']


def _start_time(pid: int) -> int | None:
    """Return the start of a live process in clock ticks since boot.

    A process id alone may have been given to another process since.

    Returns:
        None if there is no such process, or it is a zombie.
    """
    try:
        text = Path(f'/proc/{pid}/stat').read_text()
    except OSError:
        return None
    # The name of the program, in brackets, may hold blanks and brackets.
    fields = text.rpartition(')')[2].split()
    return None if fields[0] in ('Z', 'X') else int(fields[19])


def _name(owner: dict[str, Any]) -> str:
    if {'pid', 'host'} <= owner.keys():
        return f'process {owner["pid"]} on host {owner["host"]}'
    return 'another process'


def _refusal(path: Path, owner: dict[str, Any]) -> str:
    return (
        f'{path.parent} is in use by {_name(owner)}. Stop that run or use '
        'another work directory; if it is certain that it is dead, remove '
        f'{path}'
    )
