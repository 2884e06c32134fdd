"""Large parts of a state, which stay on the disk until they are needed.

A search has several states of a replica and one model. In memory they would
take several times what the model takes, and on the disk they are anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmada.engine.state.payload import (
    DamagedStateError,
    Sink,
    StateError,
    check_payload,
    load_payload,
    payload_size,
    save_payload,
)
from mmada.utils.files import DigestFile, file_sha256

_CHUNK = 2**22


@dataclass(frozen=True)
class StoredPart:
    """A file of a state.

    Attributes:
        path: The file.
        size: Its bytes.
        sha256: Of its bytes.
    """

    path: Path
    size: int
    sha256: str

    def load(self) -> Any:
        """Read it anew; all tensors are on the CPU.

        Raises:
            DamagedStateError: If it is missing or changed.
            TypeError: If it holds what `write_part` never writes.
        """
        self.verify()
        value = load_payload(self.path)
        check_payload(value)
        return value

    def verify(self) -> None:
        """Compare it with its size and checksum.

        Raises:
            DamagedStateError: If it is missing or changed.
        """
        state, name = self.path.parent, self.path.name
        try:
            size = self.path.stat().st_size
            digest = file_sha256(self.path)
        except OSError as error:
            raise DamagedStateError(f'{state}: {error}') from error
        if size != self.size:
            raise DamagedStateError(
                f'{state}: {name} has {size} bytes, expected {self.size}'
            )
        if digest != self.sha256:
            raise DamagedStateError(f'{state}: checksum of {name} differs')

    def copy_to(self, file: Sink) -> None:
        """Write its bytes, a few at a time.

        Raises:
            OSError: If they cannot be read.
        """
        chunk = memoryview(bytearray(_CHUNK))
        with open(self.path, 'rb', buffering=0) as source:
            while size := source.readinto(chunk):
                file.write(chunk[:size])


Parts = Mapping[str, Any]
"""Contents of large parts by name, in memory or each a :class:`StoredPart`."""


def write_part(path: Path, content: Any) -> StoredPart:
    """Write a file that is new and wait until it is on the disk.

    Args:
        path: File to create.
        content: What is checked and in memory, or a part, which is copied.

    Raises:
        OSError: If the disk is full, fails or is read-only.
        StateError: If the part that is copied has changed.
    """
    with DigestFile(path, 'state.inside_write') as file:
        if isinstance(content, StoredPart):
            content.copy_to(file)
        else:
            save_payload(content, file)
    written = StoredPart(path, file.size, file.sha256)
    if isinstance(content, StoredPart) and content.sha256 != written.sha256:
        raise StateError(
            f'{content.path} has changed since it was written. A resume goes '
            'on from an older state'
        )
    return written


def part_size(content: Any) -> int:
    """Return the number of bytes that `write_part` writes."""
    if isinstance(content, StoredPart):
        return content.size
    return payload_size(content)
