"""The files of one stored state: a directory with data and manifest.

The manifest says what a state is and how to check it. Large parts of the data
have files of their own, see :class:`StoredPart`.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmada.engine.state.parts import Parts, StoredPart, write_part
from mmada.engine.state.payload import (
    DamagedStateError,
    StateError,
    check_payload,
    load_payload,
)
from mmada.utils.files import (
    discard,
    failpoint,
    sha256,
    sync_directory,
    temporary_name,
    write_synced,
)
from mmada.version import __version__

FORMAT = 2
"""Up to 1 all of a state was in one file."""
_FIELDS: dict[str, type] = {
    'format': int,
    'step': int,
    'size': int,
    'sha256': str,
    'schema': dict,
}
_VERSION = 'mmada_version'
"""Which wrote it, for messages; states of early versions lack it."""
_PARTS = 'parts'
"""Size and checksum of each large part; absent where there is none."""
_ABSENT = '(absent)'

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
    root: Path,
    step: int,
    payload: dict[str, Any],
    identity: dict[str, Any],
    parts: Parts | None = None,
) -> None:
    """Write a state under a temporary name, then rename it.

    Args:
        root: Directory of all states, made if missing.
        step: Number of the state. A directory that is already there
            is replaced.
        payload: Content of the state, checked.
        identity: Of the run, JSON values.
        parts: What gets a file of its own, by name, checked.

    Raises:
        OSError: If the disk is full, fails or is read-only; what was
            written is removed again.
        StateError: If a part of an earlier state has changed.
    """
    tmp, final = temporary_name(root), state_path(root, step)
    failpoint('state.before_write')
    try:
        tmp.mkdir(parents=True)
        written = {
            name: write_part(_part_path(tmp, name), content)
            for name, content in (parts or {}).items()
        }
        file = write_part(tmp / _STATE, payload)
        failpoint('state.before_manifest')
        manifest = make_manifest(step, file, identity, written)
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


def _part_path(directory: Path, name: str) -> Path:
    return directory / f'{name}.pt'


def verify_state(root: Path, step: int) -> dict[str, Any]:
    """Compare a state with its manifest, byte by byte.

    Args:
        root: Directory of all states.
        step: Number of the state.

    Returns:
        The manifest, see `read_manifest`.

    Raises:
        DamagedStateError: If anything of it is missing or changed.
        StateError: If it is intact but of another format.
    """
    path = state_path(root, step)
    try:
        manifest = _manifest(path)
    except OSError as error:
        raise DamagedStateError(f'{path}: {error}') from error
    if manifest['step'] != step:
        raise DamagedStateError(
            f'{path}: its manifest is of step {manifest["step"]}'
        )
    StoredPart(path / _STATE, manifest['size'], manifest['sha256']).verify()
    for part in _parts(path, manifest).values():
        part.verify()
    return manifest


def load_state(root: Path, step: int) -> dict[str, Any]:
    """Load a state that verifies, without its parts.

    Args:
        root: Directory of all states.
        step: Number of the state.

    Returns:
        Its payload, all tensors on the CPU.

    Raises:
        StateError: If it holds what `write_state` never writes, or if this
            version of torch cannot load it or one of its parts.
    """
    path = state_path(root, step)
    try:
        payload = load_payload(path / _STATE)
        check_payload(payload)
        if not isinstance(payload, dict):
            raise TypeError(f'payload is a {type(payload).__name__}')
        for part in stored_parts(root, step).values():
            part.load()
    except Exception as error:
        raise StateError(
            f'{path}, {_writer(path)}, is intact, but this version of mmada '
            f'and torch cannot load it: {error}'
        ) from error
    return payload


def stored_parts(root: Path, step: int) -> dict[str, StoredPart]:
    """Return the large parts of a state that verifies, by name."""
    path = state_path(root, step)
    return _parts(path, _manifest(path))


def state_size(manifest: dict[str, Any]) -> int:
    """Return the bytes of a state's data."""
    sizes = (part['size'] for part in manifest.get(_PARTS, {}).values())
    return int(manifest['size'] + sum(sizes))


def _parts(path: Path, manifest: dict[str, Any]) -> dict[str, StoredPart]:
    return {
        name: StoredPart(_part_path(path, name), part['size'], part['sha256'])
        for name, part in manifest.get(_PARTS, {}).items()
    }


def _writer(path: Path) -> str:
    manifest: dict[str, Any] = {}
    with contextlib.suppress(OSError, StateError):  # removed by a live run
        manifest = _manifest(path)
    return written_by(manifest)


def stored_identity(root: Path) -> dict[str, Any] | None:
    """Return the identity of the run that left states, None without any.

    Only manifests are read, and damaged ones passed over.
    """
    for step in stored_steps(root):
        with contextlib.suppress(OSError, StateError):
            return dict(_manifest(state_path(root, step))['schema'])
    return None


def _manifest(path: Path) -> dict[str, Any]:
    return read_manifest((path / _MANIFEST).read_bytes(), path)


def make_manifest(
    step: int,
    file: StoredPart,
    identity: dict[str, Any],
    parts: Mapping[str, StoredPart],
) -> bytes:
    """Describe a state; the manifest carries its own checksum too.

    Args:
        step: Number of the state.
        file: The state without its parts.
        identity: Of the run, JSON values.
        parts: By name.

    Returns:
        JSON text.
    """
    fields = {
        'format': FORMAT,
        'step': step,
        'size': file.size,
        'sha256': file.sha256,
        'schema': identity,
        _VERSION: __version__,
    }
    if parts:
        fields[_PARTS] = {
            name: dict(size=part.size, sha256=part.sha256)
            for name, part in parts.items()
        }
    fields['manifest_sha256'] = sha256(_canonical(fields))
    return json.dumps(fields, indent=2).encode()


def read_manifest(text: bytes, where: Path) -> dict[str, Any]:
    """Parse and check a manifest.

    Args:
        text: What `make_manifest` wrote.
        where: Name of the state in messages.

    Returns:
        The fields format, step, size, sha256, schema (the identity of the
        run), parts, if there are any, and which version wrote it, see
        `written_by`.

    Raises:
        DamagedStateError: If it is not what `make_manifest` wrote.
        StateError: If it is intact but of another format.
    """
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DamagedStateError(
            f'{where}: the manifest is not JSON ({error})'
        ) from error
    if not isinstance(fields, dict):
        raise DamagedStateError(f'{where}: the manifest is not an object')
    checksum = fields.pop('manifest_sha256', None)
    if checksum != sha256(_canonical(fields)):
        raise DamagedStateError(f'{where}: checksum of the manifest differs')
    if fields.get('format') not in range(1, FORMAT + 1):
        raise StateError(
            f'{where} has format {fields.get("format")}, '
            f'{written_by(fields)}; this version reads formats up to {FORMAT}'
        )
    for name, kind in _FIELDS.items():
        if not isinstance(fields.get(name), kind):
            raise DamagedStateError(f'{where}: the manifest lacks {name!r}')
    if not _are_parts(fields.get(_PARTS, {})):
        raise DamagedStateError(f'{where}: the manifest lacks sound parts')
    return fields


def _are_parts(parts: Any) -> bool:
    return isinstance(parts, dict) and all(
        name.isidentifier()
        and isinstance(part, dict)
        and isinstance(part.get('size'), int)
        and isinstance(part.get('sha256'), str)
        for name, part in parts.items()
    )


def written_by(manifest: dict[str, Any]) -> str:
    """Say which version wrote a state."""
    version = manifest.get(_VERSION)
    if isinstance(version, str):
        return f'written by mmada {version}'
    return 'written by an early mmada that did not record its version'


def identity_difference(
    stored: dict[str, Any], current: dict[str, Any]
) -> list[str]:
    """Compare two identities field by field.

    A field that a stored one lacks altogether is of a later version.

    Args:
        stored: Identity in a stored state.
        current: Identity of this run.

    Returns:
        One line for each field that differs, nested fields with dotted
        names; empty if they are equal.
    """
    known = {k: v for k, v in current.items() if k in stored}
    old, new = _flatten(stored), _flatten(known)
    return [
        f'{name}: stored {old.get(name, _ABSENT)}, '
        f'this run {new.get(name, _ABSENT)}'
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _flatten(fields: dict[str, Any], prefix: str = '') -> dict[str, str]:
    flat = {}
    for name, value in fields.items():
        if isinstance(value, dict) and value:
            flat.update(_flatten(value, f'{prefix}{name}.'))
        else:
            flat[f'{prefix}{name}'] = json.dumps(value)
    return flat


def _canonical(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, sort_keys=True).encode()
