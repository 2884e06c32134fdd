"""Checkpoints of a training: written whole, and the newest good one found.

`find_latest_checkpoint` is from where a training goes on; `DurableBackend` is
MMEngine's storage on local disks, with files that are whole or absent.
"""

from __future__ import annotations

import logging
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend
from mmengine.logging import print_log

from mmada.utils.files import replace, write_failure

DURABLE = 'mmada_durable'
"""Name of the backend in `backend_args`."""
_NAME = re.compile(r'(?:epoch|iter)_(\d+)\.pth')


class CheckpointError(RuntimeError):
    """There are checkpoints, but none that can be read."""


def find_latest_checkpoint(work_dir: str | Path) -> str | None:
    """Return the checkpoint from which a training should go on.

    This is the one that `last_checkpoint` names. Where that is empty, or
    names a file that is absent or damaged, it is one of the files
    `epoch_*.pth` and `iter_*.pth` that are whole, and a warning says so: that
    of the same name in the work directory, which may have been moved, else
    the newest.

    Args:
        work_dir: Work directory of the training.

    Returns:
        Its path; None if the directory holds no checkpoint at all.

    Raises:
        CheckpointError: If there are checkpoints, but none is whole.
    """
    found, problems = search_checkpoint(work_dir, checkpoint_problem)
    if found is not None and problems:
        reasons = '\n  '.join(problems)
        print_log(
            f'Going on from {found}, the first checkpoint that can be read, '
            f'by name or age:\n  {reasons}',
            logger='current',
            level=logging.WARNING,
        )
    return found


def search_checkpoint(
    work_dir: str | Path, check: Callable[[Path], str | None]
) -> tuple[str | None, list[str]]:
    """Search as :func:`find_latest_checkpoint` does, and log nothing.

    Args:
        work_dir: Work directory of the training.
        check: As :func:`checkpoint_problem`.

    Returns:
        The path or None, and why others were passed over.

    Raises:
        CheckpointError: If there are checkpoints, but none is whole.
    """
    problems = []
    named = named_checkpoint(work_dir)
    if named is None:
        problems.append('there is no last_checkpoint')
    else:
        problem = named_problem(named, check)
        if problem is None:
            return named, []
        problems.append(f'last_checkpoint ({named!r}): {problem}')
    stored = stored_checkpoints(work_dir)
    if named:
        # Copied files have the times of the copy.
        moved = Path(work_dir) / Path(named).name
        stored.sort(key=lambda path: path != moved)
    for path in stored:
        problem = check(path)
        if problem is None:
            return str(path), problems
        problems.append(f'{path}: {problem}')
    if named is None and not stored:
        return None, []
    raise CheckpointError(
        f'no checkpoint in {work_dir} can be read; to start the training '
        'afresh, remove these files:\n  ' + '\n  '.join(problems)
    )


def named_checkpoint(work_dir: str | Path) -> str | None:
    """Return what `last_checkpoint` names; None if there is no such file."""
    try:
        text = (Path(work_dir) / 'last_checkpoint').read_bytes()
    except FileNotFoundError:
        return None
    return text.decode(errors='replace').strip().strip('\0')


def named_problem(
    named: str, check: Callable[[Path], str | None]
) -> str | None:
    """Return why what `last_checkpoint` names cannot be read, if so.

    Args:
        named: Content of the file `last_checkpoint`.
        check: As :func:`checkpoint_problem`.
    """
    if not named:
        return 'it is empty'
    if '://' in named:  # remote storage, checked by its loader
        return None
    return check(Path(named))


def stored_checkpoints(work_dir: str | Path) -> list[Path]:
    """Return the files from which a training may go on, newest first.

    They are looked for in the work directory and where `last_checkpoint`
    points to.
    """
    folders = [Path(work_dir)]
    named = named_checkpoint(work_dir)
    if named and '://' not in named:
        folders.append(Path(named).parent)
    found = {
        path.resolve(): path
        for folder in reversed(folders)
        for path in folder.glob('*.pth')
        if _NAME.fullmatch(path.name)
    }
    return sorted(found.values(), key=_age, reverse=True)


def checkpoint_problem(path: Path) -> str | None:
    """Return why a checkpoint cannot be read, or None if it is whole.

    Reads all of the file and compares the checksums that torch stores in
    it, which `torch.load` does not. Nothing of it is unpickled.
    """
    if path.is_dir():  # as some strategies save them; not known in here
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            # zipfile reads an archive with bytes before it, torch does not.
            if not parts or parts[0].header_offset:
                return 'it does not start as an archive'
            if not any(p.filename.endswith('/data.pkl') for p in parts):
                return 'it was not saved by torch'
            damaged = archive.testzip()
    except Exception as error:  # damage shows in many ways
        return f'it cannot be read ({error})'
    return damaged and f'the checksum of its part {damaged} differs'


def _age(path: Path) -> tuple[int, int]:
    match = _NAME.fullmatch(path.name)
    return path.stat().st_mtime_ns, int(match[1]) if match else -1


class DurableBackend(LocalBackend):
    """Local files that are written under a temporary name, then renamed.

    Usable wherever MMEngine takes `backend_args`, as
    ``dict(backend='mmada_durable')``.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write a file; when this returns it survives a power cut.

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
    """Write or replace a file as `replace` does.

    Raises:
        OSError: If it cannot be written, naming it and the bytes needed.
    """
    try:
        replace(path, data, site=site)
    except OSError as error:
        message = write_failure(path, len(data), error)
        raise OSError(error.errno, message) from error


register_backend(DURABLE, DurableBackend)
