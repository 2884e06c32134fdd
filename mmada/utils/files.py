"""Files that survive a kill, their checksums, and the kills that prove it.

What is reported as written is on the disk, and a file is the old one or the
new one, never half of it: :func:`replace`. Writers use temporary names of one
form, so that what a killed one left is found: :func:`leftovers`.

That a run survives a kill at the worst moment can only be tested by killing
it there. Each such moment is one ``failpoint('name')`` call, which does
nothing unless the environment variable ``MMADA_FAILPOINT`` names it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

Buffer = bytes | memoryview
TMP_PREFIX = 'tmp.'

_LARGE = 2**20
"""From this size on a second thread pays off."""
_CHUNK = 2**18
"""Bytes read at once; small enough for the cache of a processor core."""
_VARIABLE = 'MMADA_FAILPOINT'
_passed: Counter[str] = Counter()


def replace(
    path: Path,
    content: str | Buffer,
    durable: bool = True,
    site: str = 'replace',
) -> None:
    """Write or replace a file so that it is never seen half written.

    Args:
        path: File; it gets its name once all of it is written.
        content: All of it; text is written as UTF-8.
        durable: Whether to wait until it is on the disk. Without it a power
            cut may take the file away; a kill of the process may not.
        site: Name of the failpoints, ``site.inside_write`` and
            ``site.before_rename``.

    Raises:
        OSError: If it cannot be written; an older file is untouched.
    """
    data = content.encode() if isinstance(content, str) else content
    path = Path(os.path.realpath(path))  # a link stays one
    temporary = temporary_name(path.parent)
    try:
        _write(temporary, data, durable, f'{site}.inside_write')
        with contextlib.suppress(FileNotFoundError):
            shutil.copymode(path, temporary)
        failpoint(f'{site}.before_rename')
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
    if durable:
        sync_directory(path.parent)


def write_synced(path: Path, data: Buffer, site: str) -> None:
    """Write a new file and wait until its bytes are on the disk.

    Args:
        path: File to create.
        data: Whole content.
        site: Name of the failpoint after the first half.

    Raises:
        OSError: If the disk is full, fails or is read-only.
    """
    _write(path, data, True, site)


def _write(path: Path, data: Buffer, durable: bool, site: str) -> None:
    half = len(data) // 2
    with open(path, 'wb') as file:
        file.write(data[:half])
        file.flush()
        failpoint(site)
        file.write(data[half:])
        file.flush()
        if durable:
            os.fsync(file.fileno())


def discard(path: Path, site: str) -> None:
    """Remove a directory so that it is never seen half removed.

    Args:
        path: Directory; it gets a temporary name first.
        site: Name of the failpoint after that.

    Raises:
        OSError: If it cannot be renamed.
    """
    doomed = temporary_name(path.parent)
    os.replace(path, doomed)
    failpoint(site)
    shutil.rmtree(doomed, ignore_errors=True)


def write_failure(path: Path, size: int, error: Exception) -> str:
    """Say what could not be written, and what that needs.

    Args:
        path: File or directory that was to be written.
        size: Its bytes.
        error: Why it failed.
    """
    free = 'unknown'
    with contextlib.suppress(OSError):
        free = str(shutil.disk_usage(path.parent).free)
    reason = getattr(error, 'strerror', None) or error
    return (
        f'cannot write {path}: {reason}; {size} bytes needed, {free} free. '
        'What was stored before is intact'
    )


def leftovers(root: Path) -> list[Path]:
    """Return what killed writers left under temporary names in ``root``."""
    return sorted(root.glob(TMP_PREFIX + '[0-9a-f]' * 32))


def remove_leftovers(root: Path) -> None:
    """Remove what killed writers left under temporary names in ``root``."""
    for path in leftovers(root):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def temporary_name(root: Path) -> Path:
    """Return an unused name in ``root`` that `remove_leftovers` knows."""
    return root / f'{TMP_PREFIX}{uuid.uuid4().hex}'


def sync_directory(path: Path) -> None:
    """Wait until the names inside a directory are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(data: Buffer) -> str:
    """Return the SHA-256 of ``data`` as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file without holding all of it.

    Raises:
        OSError: If it cannot be read.
    """
    digest = hashlib.sha256()
    chunk = memoryview(bytearray(_CHUNK))
    with open(path, 'rb', buffering=0) as file:
        while size := file.readinto(chunk):
            digest.update(chunk[:size])
    return digest.hexdigest()


class DigestFile:
    """Context manager that writes a new file and digests what it is given.

    A file for `torch.save`, which hands over the memory of each tensor:
    there is no second copy of the content. At its end the bytes are on the
    disk. An error of the disk is raised only then, since inside of torch's
    writer it would become a RuntimeError that does not mention the disk.

    Args:
        path: File to create.
        site: Name of the failpoint after the first bytes.

    Attributes:
        size: Number of bytes given so far, also after an error.
    """

    def __init__(self, path: Path, site: str) -> None:
        self.size = 0
        self._site = site
        self._digest = hashlib.sha256()
        self._error: OSError | None = None
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._file = open(path, 'wb')  # noqa: SIM115  closed by __exit__

    @property
    def sha256(self) -> str:
        """SHA-256 of all bytes given so far."""
        return self._digest.hexdigest()

    def write(self, data: bytes | memoryview) -> int:
        """Take the next bytes."""
        if len(data) < _LARGE:
            self._digest.update(data)
            self._store(data)
        else:
            # Neither holds the interpreter's lock.
            digested = self._thread.submit(self._digest.update, data)
            self._store(data)
            digested.result()
        return len(data)

    def flush(self) -> None:
        """Do nothing: the bytes reach the disk at the end."""

    def __enter__(self) -> DigestFile:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._thread.shutdown()
        if kind is None and self._error is None:
            with self._file:
                self._file.flush()
                os.fsync(self._file.fileno())
            return
        # What is left in the buffer of a full disk cannot be written.
        with contextlib.suppress(OSError):
            self._file.close()
        if kind is None and self._error is not None:
            raise self._error

    def _store(self, data: bytes | memoryview) -> None:
        first = self.size == 0
        self.size += len(data)
        if self._error is not None:
            return
        try:
            self._file.write(data)
            if first:
                self._file.flush()
                failpoint(self._site)
        except OSError as error:
            self._error = error


def failpoint(name: str) -> None:
    """Kill this process if ``MMADA_FAILPOINT`` is ``name[:count]``.

    A test aid. The process gets SIGKILL, as from a machine that goes down:
    no handler, no clean-up, no buffer flushed.

    Args:
        name: Name of the place, without a colon.

    Raises:
        ValueError: If the count in the variable is not a positive integer.
    """
    wanted = os.environ.get(_VARIABLE, '')
    target, _, count = wanted.partition(':')
    if target != name:
        return
    if count and not (count.isdecimal() and int(count) > 0):
        raise ValueError(
            f'`{_VARIABLE}` should be a name, or name:count with a positive '
            f'count. Found {wanted!r}.'
        )
    _passed[name] += 1
    if _passed[name] == int(count or 1):
        os.kill(os.getpid(), signal.SIGKILL)
