"""Durable file operations: what is reported as written is on the disk."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from pathlib import Path

from mmada.engine.state.failpoints import failpoint

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


def remove_leftovers(root: Path) -> None:
    """Remove what killed writers left under temporary names in ``root``."""
    for path in root.glob(f'{TMP_PREFIX}*'):
        shutil.rmtree(path, ignore_errors=True)
