"""The policy file: what a search learned, safe to load from anyone.

Safetensors with one entry of JSON metadata, never a pickle. A digest covers
metadata and tensors, so damaged bytes never decode to another policy; and
bytes made on purpose are checked as if there were no digest.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from mmada.policies.ensemble import PolicyEnsemble
from mmada.policies.policy import Policy, build_policy
from mmada.utils.files import replace, sha256

MAX_BYTES = 64 * 2**20
"""Largest file that is read; one of the paper's size has some 100 kB."""
FORMAT = 1
"""Version of the format, the only one that is read."""
_KEY = 'mmada_policy'
_FIELDS = {
    'schema': int,
    'objectives': list,
    'num_rounds': int,
    'policy': dict,
    'normaliser': str,
    'gamma': float,
    'floor': float,
    'provenance': dict,
}
_LARGEST = sys.float_info.max
_LIMITS = {'num_rounds': 10_000, 'num_objectives': 1024}
_WIDEST = 1024
"""Largest size of any part of a policy."""


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
    replace(path, data, site='policy_file')
    return path


def holds_policy(
    path: str | Path,
    ensemble: PolicyEnsemble,
    provenance: dict[str, Any] | None = None,
) -> bool:
    """Return whether a file is what `save_policy` would write."""
    try:
        return Path(path).read_bytes() == encode_policy(
            ensemble, provenance or {}
        )
    except FileNotFoundError:
        return False


def policy_digest(ensemble: PolicyEnsemble) -> str:
    """Return the SHA-256 of what a policy does, wherever it comes from."""
    bare = dataclasses.replace(ensemble, provenance={})
    return sha256(encode_policy(bare, {}))


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
        PolicyFileError: If it is no policy file, is damaged, or holds values
            that no search can have left.
        ValueError: If it is for other objectives.
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
    except ValueError as error:
        raise PolicyFileError(path, str(error)) from error
    if objectives is not None:
        _check_objectives(path, ensemble.objectives, tuple(objectives))
    return ensemble


def _check_objectives(
    path: Path, known: tuple[str, ...], wanted: tuple[str, ...]
) -> None:
    if known != wanted:
        raise ValueError(
            f'`objectives` should be those of the policy {path}, in its '
            f'order: {", ".join(known)}. Found {", ".join(wanted)}. Give the '
            "model or the hook the search's `objectives`, names and losses."
        )


def encode_policy(
    ensemble: PolicyEnsemble, provenance: dict[str, Any]
) -> bytes:
    """Return the content of a policy file.

    Args:
        ensemble: What was learned.
        provenance: JSON-able entries added to the ensemble's own.

    Raises:
        ValueError: If the provenance is not JSON.
    """
    tensors = _tensors_of(ensemble)
    header = dict(
        schema=FORMAT,
        objectives=list(ensemble.objectives),
        num_rounds=ensemble.num_rounds,
        policy=ensemble.policies[0].spec(),
        normaliser=ensemble.policies[0].normaliser,
        gamma=ensemble.gamma,
        floor=ensemble.floor,
        provenance=ensemble.provenance | provenance,
    )
    try:
        header['sha256'] = _digest(header, tensors)
        text = json.dumps(header, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(
            '`provenance` should hold JSON values only. Found another one: '
            f'{error}.'
        ) from error
    return safetensors.torch.save(tensors, {_KEY: text})


def _tensors_of(ensemble: PolicyEnsemble) -> dict[str, Tensor]:
    """Return copies by name: safetensors refuses what shares memory."""
    tensors = dict(
        initial_losses=ensemble.initial_losses,
        best_weights=ensemble.best_weights,
    )
    for index, policy in enumerate(ensemble.policies):
        for name, value in policy.state_dict().items():
            tensors[f'{_prefix(index)}{name}'] = value
    return {
        name: value.detach().clone(memory_format=torch.contiguous_format)
        for name, value in tensors.items()
    }


def decode_policy(data: bytes) -> PolicyEnsemble:
    """Rebuild what :func:`encode_policy` made.

    Raises:
        ValueError: For any other content, with the reason.
    """
    header = _read_header(data)
    try:
        tensors = safetensors.torch.load(data)
    except (SafetensorError, KeyError, RuntimeError) as error:
        raise ValueError(f'its tensors are malformed: {error}') from error
    _check_fields(header)
    _check_sizes(header)
    _check_tensors(tensors)
    digest = header.pop('sha256')
    if digest != _digest(header, tensors):
        raise ValueError('its sha256 does not fit its content')
    ensemble = _build(header, tensors)
    _check_weights(ensemble)
    return ensemble


def _prefix(index: int) -> str:
    return f'policy.{index + 1}.'


def _digest(header: dict[str, Any], tensors: dict[str, Tensor]) -> str:
    layout = [
        [name, str(value.dtype), list(value.shape)]
        for name, value in sorted(tensors.items())
    ]
    text = json.dumps([header, layout], sort_keys=True, allow_nan=False)
    content = b''.join(
        value.detach().numpy().tobytes()
        for _, value in sorted(tensors.items())
    )
    return sha256(text.encode() + content)


def _read_header(data: bytes) -> dict[str, Any]:
    # safetensors: eight bytes of length, then a JSON object.
    length = int.from_bytes(data[:8], 'little')
    if len(data) < 8 or length > len(data) - 8:
        raise ValueError('it is not in the safetensors format')
    try:
        header = json.loads(data[8 : 8 + length])
        text = header['__metadata__'][_KEY]
        metadata = json.loads(text, parse_constant=_check_constant)
    except (KeyError, TypeError) as error:
        raise ValueError(
            'it is in the safetensors format, but holds no policy'
        ) from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f'its metadata are malformed: {error}') from error
    if not isinstance(metadata, dict):
        raise ValueError('its metadata are no JSON object')
    return metadata


def _check_constant(name: str) -> float:
    raise ValueError(f'{name} is not a JSON number')


def _check_fields(header: dict[str, Any]) -> None:
    schema = header.get('schema')
    if schema != FORMAT:
        raise ValueError(
            f'`schema` should be {FORMAT}, which this version of mmada reads. '
            f'Found {schema!r}'
        )
    expected = _FIELDS | {'sha256': str}
    if set(header) != set(expected):
        raise ValueError(
            f'its metadata should hold {sorted(expected)}. '
            f'Found {sorted(header)}'
        )
    for name, kind in expected.items():
        value = header[name]
        if type(value) is not kind and not (
            kind is float and type(value) is int
        ):
            raise ValueError(
                f'`{name}` should be of type {kind.__name__}. Found {value!r}'
            )
        if isinstance(value, float | int) and abs(value) > _LARGEST:
            raise ValueError(f'`{name}` should be finite. Found {value!r}')
    names = header['objectives']
    if not names or not all(isinstance(x, str) and x for x in names):
        raise ValueError(
            f'`objectives` should be names, one or more. Found {names!r}'
        )


def _check_sizes(header: dict[str, Any]) -> None:
    # What is no size is checked by the policy's own constructor.
    spec = header['policy'].items()
    sizes = {name: _WIDEST for name, value in spec if type(value) is int}
    for name, limit in (sizes | _LIMITS).items():
        value = (header | header['policy']).get(name)
        if type(value) is not int or not 1 <= value <= limit:
            raise ValueError(
                f'`{name}` should be an integer from 1 to '
                f'{limit}. Found {value!r}'
            )


def _check_tensors(tensors: dict[str, Tensor]) -> None:
    for name, value in tensors.items():
        if value.dtype != torch.float64:
            raise ValueError(
                f'tensor {name!r} should be float64. Found {value.dtype}'
            )
        if not bool(value.isfinite().all()):
            raise ValueError(f'tensor {name!r} holds NaN or infinity')


def _build(
    header: dict[str, Any], tensors: dict[str, Tensor]
) -> PolicyEnsemble:
    rest = dict(tensors)
    try:
        initial_losses = rest.pop('initial_losses')
        best_weights = rest.pop('best_weights')
    except KeyError as error:
        raise ValueError(f'it holds no tensor {error}') from error
    policies = tuple(
        _take_policy(header['policy'], rest, _prefix(index))
        for index in range(header['num_rounds'])
    )
    if rest:
        raise ValueError(f'it holds unknown tensors: {sorted(rest)}')
    if policies[0].normaliser != header['normaliser']:
        raise ValueError(
            f'`normaliser` should be {policies[0].normaliser!r}. '
            f'Found {header["normaliser"]!r}'
        )
    return PolicyEnsemble(
        policies=policies,
        initial_losses=initial_losses,
        best_weights=best_weights,
        gamma=header['gamma'],
        floor=header['floor'],
        objectives=tuple(header['objectives']),
        provenance=header['provenance'],
    )


def _take_policy(
    spec: dict[str, Any], tensors: dict[str, Tensor], prefix: str
) -> Policy:
    names = [name for name in tensors if name.startswith(prefix)]
    parameters = {n.removeprefix(prefix): tensors.pop(n) for n in names}
    try:
        policy = build_policy(spec).requires_grad_(False)
        policy.load_state_dict(parameters)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f'{prefix}*: {error}') from error
    if policy.spec() != spec:
        raise ValueError(f'`policy` should be {policy.spec()}. Found {spec!r}')
    return policy


def _check_weights(ensemble: PolicyEnsemble) -> None:
    # Finite parameters may still overflow on the way to the weights.
    for policy in ensemble.policies:
        weights = policy.weights(ensemble.initial_losses)
        if not bool(weights.isfinite().all()):
            raise ValueError(
                'a policy gives weights that are not finite: '
                f'{weights.tolist()}'
            )
