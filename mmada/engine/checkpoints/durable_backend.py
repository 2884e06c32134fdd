"""MMEngine's storage on local disks, with files that are whole or absent."""

from __future__ import annotations

from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from mmada.utils.files import replace_synced, write_failure

DURABLE = 'mmada_durable'
"""Name of the backend in `backend_args`."""


class DurableBackend(LocalBackend):
    """Local files that are written under a temporary name, then renamed.

    Usable wherever MMEngine takes `backend_args`, as
    ``dict(backend='mmada_durable')``.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Writes a file; when this returns it survives a power cut.

        Args:
            obj: Whole content.
            filepath: File; its directory is made if missing.

        Raises:
            OSError: If it cannot be written, with the bytes needed; an older
                file is untouched.
        """
        path = Path(filepath)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, obj, 'checkpoint')


def write_durably(path: Path, data: bytes, site: str) -> None:
    """Writes or replaces a file as `replace_synced` does.

    Raises:
        OSError: If it cannot be written, naming it and the bytes needed.
    """
    try:
        replace_synced(path, data, site)
    except OSError as error:
        message = write_failure(path, len(data), error)
        raise OSError(error.errno, message) from error


register_backend(DURABLE, DurableBackend)
