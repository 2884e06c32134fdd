"""The files of one stored state: a directory with data and manifest.

The manifest says what a state is and how to check it. The data are loaded
with ``torch.load(weights_only=True)``, which runs no code from the file. What
that cannot load is an error already when it is stored, while the program that
stores it still runs.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections import Counter, OrderedDict
from pathlib import Path
from typing import IO, Any, Protocol, cast

import torch
from torch import Tensor

from mmada.utils.files import (
    DigestFile,
    discard,
    failpoint,
    file_sha256,
    sha256,
    sync_directory,
    temporary_name,
    write_synced,
)
from mmada.version import __version__

FORMAT = 1
_FIELDS: dict[str, type] = {
    'format': int,
    'step': int,
    'size': int,
    'sha256': str,
    'schema': dict,
}
_VERSION = 'mmada_version'
"""Which wrote it, for messages; states of early versions lack it."""
_ABSENT = '(absent)'

_STATE = 'state.pt'
_MANIFEST = 'MANIFEST.json'

# Compared by exact type: numpy.float64 is a float to isinstance, and a
# pickled numpy object on the disk.
_LEAVES = (Tensor, bool, int, float, str, type(None))
_MAPPINGS = (dict, OrderedDict, Counter)
_SEQUENCES = (list, tuple)
_KEYS = (str, int)


class StateError(RuntimeError):
    """The stored states cannot be used, or a state cannot be stored."""


class DamagedStateError(StateError):
    """One stored state does not verify."""


def state_path(root: Path, step: int) -> Path:
    """Return the directory of the state of a step."""
    return root / f'step_{step:08d}'


def stored_steps(root: Path) -> list[int]:
    """Return the steps that have a directory, newest first, unverified."""
    names = (path.name[5:] for path in root.glob('step_*'))
    return sorted((int(n) for n in names if n.isdecimal()), reverse=True)


def write_state(
    root: Path, step: int, payload: dict[str, Any], identity: dict[str, Any]
) -> None:
    """Write a state under a temporary name, then rename it.

    Args:
        root: Directory of all states, made if missing.
        step: Number of the state. A directory that is already there
            is replaced.
        payload: Content of the state, checked.
        identity: Of the run, JSON values.

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
        manifest = make_manifest(step, file.size, file.sha256, identity)
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
        root: Directory of all states.
        step: Number of the state.

    Returns:
        Its payload, all tensors on the CPU.

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
    step: int, size: int, digest: str, identity: dict[str, Any]
) -> bytes:
    """Describe a state; the manifest carries its own checksum too.

    Args:
        step: Number of the state.
        size: Number of bytes of its file.
        digest: SHA-256 of its file.
        identity: Of the run, JSON values.

    Returns:
        JSON text.
    """
    fields = {
        'format': FORMAT,
        'step': step,
        'size': size,
        'sha256': digest,
        'schema': identity,
        _VERSION: __version__,
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
        run), and which version wrote it, see `written_by`.

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
    if fields.get('format') != FORMAT:
        raise StateError(
            f'{where} has format {fields.get("format")}, '
            f'{written_by(fields)}; this version reads format {FORMAT}'
        )
    for name, kind in _FIELDS.items():
        if not isinstance(fields.get(name), kind):
            raise DamagedStateError(f'{where}: the manifest lacks {name!r}')
    return fields


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

    Args:
        stored: Identity in a stored state.
        current: Identity of this run.

    Returns:
        One line for each field that differs, nested fields with
        dotted names; empty if they are equal.
    """
    old, new = _flatten(stored), _flatten(current)
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


def check_payload(value: Any, where: str = 'payload') -> None:
    """Check that a value comes back from a state file.

    Args:
        value: Nested dicts, lists and tuples of tensors, numbers,
            strings, bools and None; keys are strings or integers.
        where: Name of ``value`` in the message. Defaults to
            ``'payload'``.

    Raises:
        TypeError: Naming the key path of the first unsuitable value.
    """
    kind = type(value)
    if kind in _MAPPINGS:
        for key, item in value.items():
            if type(key) not in _KEYS:
                raise TypeError(
                    f'`{where}` should have keys of type str or int. '
                    f'Found {key!r} of type {_name(type(key))}.'
                )
            check_payload(item, f'{where}[{key!r}]')
    elif kind in _SEQUENCES:
        for index, item in enumerate(value):
            check_payload(item, f'{where}[{index}]')
    elif kind not in _LEAVES:
        raise TypeError(
            f'`{where}` should be a plain tensor, number, str, bool, None, '
            'or a dict, list or tuple of these. Found a '
            f'{_name(kind)}, which cannot be stored.'
        )


class Sink(Protocol):
    """What takes bytes in their order: all that `torch.save` asks for."""

    def write(self, data: memoryview, /) -> int:
        """Take the next bytes."""

    def flush(self) -> None:
        """Pass on what was taken."""


def save_payload(payload: dict[str, Any], file: Sink) -> None:
    """Write a checked payload."""
    torch.save(payload, cast(IO[bytes], file))


def payload_size(payload: dict[str, Any]) -> int:
    """Return the number of bytes that `save_payload` writes."""
    counter = _Counter()
    save_payload(payload, counter)
    return counter.size


def load_payload(path: Path) -> dict[str, Any]:
    """Read what `save_payload` wrote; all tensors are on the CPU."""
    return torch.load(path, map_location='cpu', weights_only=True)


class _Counter:
    """A file that keeps nothing but its size."""

    size = 0

    def write(self, data: memoryview) -> int:
        self.size += len(data)
        return len(data)

    def flush(self) -> None:
        pass


def _name(kind: type) -> str:
    if kind.__module__ == 'builtins':
        return kind.__name__
    return f'{kind.__module__}.{kind.__qualname__}'
