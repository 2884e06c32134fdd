"""Digest of a file: while it is written, and of what is there."""

from __future__ import annotations

import contextlib
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType

from mmada.utils.failpoints import failpoint

_LARGE = 2**20
"""From this size on a second thread pays off."""
_CHUNK = 2**18
"""Bytes read at once; small enough for the cache of a processor core."""


class DigestFile:
    """Context manager that writes a new file and digests what it is given.

    A file for `torch.save`, which hands over the memory of each tensor:
    there is no second copy of the content. At its end the bytes are on the
    disk. An error of the disk is raised only then, since inside of torch's
    writer it would become a RuntimeError that tells nothing of the disk.

    Args:
        path (Path): File to create.
        site (str): Name of the failpoint after the first bytes.

    Attributes:
        size (int): Number of bytes given so far, also after an error.
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
