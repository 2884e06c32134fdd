"""The files of one stored state: a directory with data and manifest."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path
from typing import Any

from mmada.engine.state.atomic import (
    discard,
    sync_directory,
    temporary_name,
    write_synced,
)
from mmada.engine.state.digest_file import DigestFile, file_sha256
from mmada.engine.state.failpoints import failpoint
from mmada.engine.state.manifest import (
    DamagedStateError,
    StateError,
    make_manifest,
    read_manifest,
    written_by,
)
from mmada.engine.state.payload import (
    check_payload,
    load_payload,
    save_payload,
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
    root: Path, step: int, payload: dict[str, Any], schema: dict[str, Any]
) -> None:
    """Write a state under a temporary name, then rename it.

    Args:
        root (Path): Directory of all states, made if missing.
        step (int): Number of the state. A directory that is already there
            is replaced.
        payload (dict[str, Any]): Content of the state, checked.
        schema (dict[str, Any]): Identity of the run, JSON values.

    Raises:
        OSError: If the disk is full, fails or is read-only; what was
            written is removed again.
    """
    tmp, final = temporary_name(root), state_path(root, step)
    failpoint('state.before_write')
    try:
        tmp.mkdir(parents=True)
        with DigestFile(tmp / _STATE, 'state.inside_write') as file:
            save_payload(payload, file)
        failpoint('state.before_manifest')
        manifest = make_manifest(step, file.size, file.sha256, schema)
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


def verify_state(root: Path, step: int) -> dict[str, Any]:
    """Compare a state with its manifest, byte by byte.

    Args:
        root (Path): Directory of all states.
        step (int): Number of the state.

    Returns:
        dict[str, Any]: The manifest, see `read_manifest`.

    Raises:
        DamagedStateError: If anything of it is missing or changed.
        StateError: If it is intact but of another format.
    """
    path = state_path(root, step)
    try:
        manifest = _manifest(path)
        size = (path / _STATE).stat().st_size
        digest = file_sha256(path / _STATE)
    except OSError as error:
        raise DamagedStateError(f'{path}: {error}') from error
    if manifest['step'] != step:
        raise DamagedStateError(
            f'{path}: its manifest is of step {manifest["step"]}'
        )
    if size != manifest['size']:
        raise DamagedStateError(
            f'{path}: {_STATE} has {size} bytes, expected {manifest["size"]}'
        )
    if digest != manifest['sha256']:
        raise DamagedStateError(f'{path}: checksum of {_STATE} differs')
    return manifest


def load_state(root: Path, step: int) -> dict[str, Any]:
    """Load a state that verifies.

    Args:
        root (Path): Directory of all states.
        step (int): Number of the state.

    Returns:
        dict[str, Any]: Its payload, all tensors on the CPU.

    Raises:
        StateError: If it holds what `write_state` never writes, or if this
            version of torch cannot load it.
    """
    path = state_path(root, step)
    try:
        payload = load_payload(path / _STATE)
        check_payload(payload)
        if not isinstance(payload, dict):
            raise TypeError(f'payload is a {type(payload).__name__}')
    except Exception as error:
        raise StateError(
            f'{path}, {_writer(path)}, is intact, but this version of mmada '
            f'and torch cannot load it: {error}'
        ) from error
    return payload


def _writer(path: Path) -> str:
    manifest: dict[str, Any] = {}
    with contextlib.suppress(OSError, StateError):  # removed by a live run
        manifest = _manifest(path)
    return written_by(manifest)


def _manifest(path: Path) -> dict[str, Any]:
    return read_manifest((path / _MANIFEST).read_bytes(), path)
