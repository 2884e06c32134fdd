"""The policy file: what a search learned, safe to load from anyone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmada.controllers import PolicyEnsemble
from mmada.engine.policies.policy_codec import decode_policy, encode_policy
from mmada.utils.files import replace_synced

DEFAULT_FILE = 'policy.safetensors'
"""Name of the one that a search writes into its work directory."""

MAX_BYTES = 64 * 2**20
"""Largest file that is read; one of the paper's size has some 100 kB."""


class PolicyFileError(ValueError):
    """A file that is not a usable policy, with its path and the reason."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f'{path} is not a usable policy file: {reason}')
        self.path = path
        self.reason = reason


def save_policy(
    path: str | Path,
    ensemble: PolicyEnsemble,
    provenance: dict[str, Any] | None = None,
) -> Path:
    """Write a policy file, or nothing at all.

    Args:
        path: File to write; a file there is replaced in one step.
        ensemble: What was learned, its objectives named.
        provenance: JSON-able entries added to the ensemble's own.

    Returns:
        The path.

    Raises:
        ValueError: If the ensemble could not be loaded back: without names,
            not finite, or with a provenance that is not JSON.
        OSError: If the file cannot be written; an older one is untouched.
    """
    path = Path(path)
    data = encode_policy(ensemble, provenance or {})
    try:
        decode_policy(data)
    except ValueError as error:
        raise ValueError(f'This policy cannot be saved: {error}') from error
    replace_synced(path, data, 'policy_file')
    return path


def holds_policy(
    path: str | Path,
    ensemble: PolicyEnsemble,
    provenance: dict[str, Any] | None = None,
) -> bool:
    """Tell whether a file is what `save_policy` would write."""
    try:
        return Path(path).read_bytes() == encode_policy(
            ensemble, provenance or {}
        )
    except FileNotFoundError:
        return False


def load_policy(
    path: str | Path,
    objectives: Sequence[str] | None = None,
) -> PolicyEnsemble:
    """Read a policy file and check all of it.

    Args:
        path: File to read.
        objectives: Names of the objectives that the policy is wanted for,
            in their order. Defaults to None, which accepts any.

    Raises:
        OSError: If the file cannot be read.
        PolicyFileError: If it is no policy file, is damaged, holds values
            that no search can have left, or is for other objectives.
    """
    path = Path(path)
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise PolicyFileError(
            path, f'it has {size} bytes, more than {MAX_BYTES}'
        )
    data = path.read_bytes()
    try:
        ensemble = decode_policy(data)
        if objectives is not None:
            _check_objectives(ensemble.objectives, tuple(objectives))
    except ValueError as error:
        raise PolicyFileError(path, str(error)) from error
    return ensemble


def _check_objectives(found: tuple[str, ...], wanted: tuple[str, ...]) -> None:
    if found == wanted:
        return
    missing = [name for name in wanted if name not in found]
    unknown = [name for name in found if name not in wanted]
    parts = [
        f'it does not know {missing}' if missing else '',
        f'it also expects {unknown}' if unknown else '',
    ]
    difference = '; '.join(filter(None, parts)) or (
        f'the order differs, the policy has {list(found)}'
    )
    raise ValueError(
        'it was learned for other objectives: '
        f'{difference}; wanted are {list(wanted)}'
    )
