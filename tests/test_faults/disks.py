"""Disks that are full or may not be written to."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Remount = Callable[[str], None]


@contextlib.contextmanager
def small_disk(path: Path, size: str) -> Iterator[Remount]:
    """Mounts a disk of its own on a directory, or skips the test.

    Args:
        path: Directory, made if missing; what it holds is hidden.
        size: Such as '64k'.

    Yields:
        A function that changes its options, such as 'size=1m' or 'ro'.
    """
    if shutil.which('mount') is None:
        pytest.skip('there is no mount command')
    path.mkdir(parents=True, exist_ok=True)
    if _mount('-t', 'tmpfs', '-o', f'size={size}', 'none', str(path)):
        pytest.skip('this user may not mount a tmpfs')

    def remount(options: str) -> None:
        assert not _mount('-o', f'remount,{options}', str(path))

    try:
        yield remount
    finally:
        subprocess.run(['umount', str(path)], check=True)


def _mount(*arguments: str) -> int:
    command = ['mount', *arguments]
    return subprocess.run(command, capture_output=True).returncode
