"""Durable file operations: what is reported as written is on the disk."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import uuid
from pathlib import Path

from mmada.utils.failpoints import failpoint

TMP_PREFIX = 'tmp.'
Buffer = bytes | memoryview


def sha256(data: Buffer) -> str:
    """Return the SHA-256 of ``data`` as 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def write_synced(path: Path, data: Buffer, site: str) -> None:
    """Write a new file and wait until its bytes are on the disk.

    Args:
        path (Path): File to create.
        data (bytes | memoryview): Whole content.
        site (str): Name of the failpoint after the first half.

    Raises:
        OSError: If the disk is full, fails or is read-only.
    """
    half = len(data) // 2
    with open(path, 'wb') as file:
        file.write(data[:half])
        file.flush()
        failpoint(site)
        file.write(data[half:])
        file.flush()
        os.fsync(file.fileno())


def replace_synced(path: Path, data: Buffer, site: str) -> None:
    """Write or replace a file so that it is never seen half written.

    Args:
        path (Path): File; it gets its name once its bytes are on the disk.
        data (bytes | memoryview): Whole content.
        site (str): Name of the failpoints, ``site.inside_write`` and
            ``site.before_rename``.

    Raises:
        OSError: If it cannot be written; an older file is untouched.
    """
    temporary = temporary_name(path.parent)
    try:
        write_synced(temporary, data, f'{site}.inside_write')
        failpoint(f'{site}.before_rename')
        os.replace(temporary, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            temporary.unlink()
    sync_directory(path.parent)


def write_failure(path: Path, size: int, error: Exception) -> str:
    """Say what could not be written, and what that needs.

    Args:
        path (Path): File or directory that was to be written.
        size (int): Its bytes.
        error (Exception): Why it failed.
    """
    free = 'unknown'
    with contextlib.suppress(OSError):
        free = str(shutil.disk_usage(path.parent).free)
    reason = getattr(error, 'strerror', None) or error
    return (
        f'cannot write {path}: {reason}; {size} bytes needed, {free} free. '
        'What was stored before is intact'
    )


def sync_directory(path: Path) -> None:
    """Wait until the names inside a directory are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def temporary_name(root: Path) -> Path:
    """Return an unused name in ``root`` that `remove_leftovers` knows."""
    return root / f'{TMP_PREFIX}{uuid.uuid4().hex}'


def discard(path: Path, site: str) -> None:
    """Remove a directory so that it is never seen half removed.

    Args:
        path (Path): Directory; it gets a temporary name first.
        site (str): Name of the failpoint after that.

    Raises:
        OSError: If it cannot be renamed.
    """
    doomed = temporary_name(path.parent)
    os.replace(path, doomed)
    failpoint(site)
    shutil.rmtree(doomed, ignore_errors=True)


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
