"""The manifest of a stored state: what a state is and how to check it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mmada.engine.state.atomic import sha256
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


class StateError(RuntimeError):
    """The stored states cannot be used, or a state cannot be stored."""


class DamagedStateError(StateError):
    """One stored state does not verify."""


def make_manifest(
    step: int, size: int, digest: str, schema: dict[str, Any]
) -> bytes:
    """Describe a state; the manifest carries its own checksum too.

    Args:
        step (int): Number of the state.
        size (int): Number of bytes of its file.
        digest (str): SHA-256 of its file.
        schema (dict[str, Any]): Identity of the run, JSON values.

    Returns:
        bytes: JSON text.
    """
    fields = {
        'format': FORMAT,
        'step': step,
        'size': size,
        'sha256': digest,
        'schema': schema,
        _VERSION: __version__,
    }
    fields['manifest_sha256'] = sha256(_canonical(fields))
    return json.dumps(fields, indent=2).encode()


def read_manifest(text: bytes, where: Path) -> dict[str, Any]:
    """Parse and check a manifest.

    Args:
        text (bytes): What `make_manifest` wrote.
        where (Path): Name of the state in messages.

    Returns:
        dict[str, Any]: The fields format, step, size, sha256, schema, and
        which version wrote it, see `written_by`.

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


def schema_difference(
    stored: dict[str, Any], current: dict[str, Any]
) -> list[str]:
    """Compare two schemas field by field.

    Args:
        stored (dict[str, Any]): Schema of a stored state.
        current (dict[str, Any]): Schema of this run.

    Returns:
        list[str]: One line for each field that differs, nested fields with
        dotted names; empty if the schemas are equal.
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
