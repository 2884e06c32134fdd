"""The files of one stored state: a directory with data and manifest."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from mmada.engine.state.atomic import (
    Buffer,
    discard,
    sha256,
    sync_directory,
    temporary_name,
    write_synced,
)
from mmada.engine.state.failpoints import failpoint
from mmada.engine.state.manifest import (
    DamagedStateError,
    make_manifest,
    read_manifest,
)

_STATE = 'state.pt'
_MANIFEST = 'MANIFEST.json'


def state_path(root: Path, step: int) -> Path:
    """Return the directory of the state of a step."""
    return root / f'step_{step:08d}'


def stored_steps(root: Path) -> list[int]:
    """Return the steps that have a directory, newest first, unverified."""
    names = (path.name[5:] for path in root.glob('step_*'))
    return sorted((int(n) for n in names if n.isdecimal()), reverse=True)


def write_state(
    root: Path, step: int, data: Buffer, schema: dict[str, Any]
) -> None:
    """Write a state under a temporary name, then rename it.

    Args:
        root (Path): Directory of all states, made if missing.
        step (int): Number of the state. A directory that is already there
            is replaced.
        data (bytes | memoryview): Content of the state.
        schema (dict[str, Any]): Identity of the run, JSON values.

    Raises:
        OSError: If the disk is full, fails or is read-only; what was
            written is removed again.
    """
    tmp, final = temporary_name(root), state_path(root, step)
    manifest = make_manifest(step, data, schema)
    failpoint('state.before_write')
    try:
        tmp.mkdir(parents=True)
        write_synced(tmp / _STATE, data, 'state.inside_write')
        failpoint('state.before_manifest')
        write_synced(tmp / _MANIFEST, manifest, 'state.inside_manifest')
        sync_directory(tmp)
        failpoint('state.before_rename')
        if final.exists():
            # A rename does not replace a directory that has files.
            discard(final, 'state.inside_replace')
        os.replace(tmp, final)
        sync_directory(root)
    finally:
        shutil.rmtree(tmp, ignore_errors=True)


def read_state(root: Path, step: int) -> tuple[dict[str, Any], bytes]:
    """Read and verify a state.

    Args:
        root (Path): Directory of all states.
        step (int): Number of the state.

    Returns:
        tuple[dict[str, Any], bytes]: Schema and content.

    Raises:
        DamagedStateError: If anything of it is missing or changed.
        StateError: If it is intact but of another format.
    """
    path = state_path(root, step)
    try:
        manifest = read_manifest((path / _MANIFEST).read_bytes(), path)
        data = (path / _STATE).read_bytes()
    except OSError as error:
        raise DamagedStateError(f'{path}: {error}') from error
    if manifest['step'] != step:
        raise DamagedStateError(
            f'{path}: its manifest is of step {manifest["step"]}'
        )
    if len(data) != manifest['size']:
        raise DamagedStateError(
            f'{path}: {_STATE} has {len(data)} bytes, expected '
            f'{manifest["size"]}'
        )
    if sha256(data) != manifest['sha256']:
        raise DamagedStateError(f'{path}: checksum of {_STATE} differs')
    return manifest['schema'], data
