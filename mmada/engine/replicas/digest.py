"""Fingerprints of nested values, equal only if every bit is."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor


def digest(value: Any) -> str:
    """Returns the SHA-256 of a nested value, as hexadecimal digits.

    Args:
        value: Nested dicts, lists and tuples of tensors, numbers, strings
            and None. Tensors count by type, shape and bytes, not by device;
            the order of a dict's keys counts.
    """
    found = hashlib.sha256()
    _add(value, found)
    return found.hexdigest()


def digests(value: Any, name: str = '') -> dict[str, str]:
    """Returns the digest of each leaf of nested dicts, by dotted name."""
    if not isinstance(value, dict):
        return {name: digest(value)}
    return {
        path: found
        for key, item in value.items()
        for path, found in digests(item, f'{name}.{key}'.strip('.')).items()
    }


def _add(value: Any, found: Any) -> None:
    if isinstance(value, Tensor):
        found.update(f'{value.dtype} {tuple(value.shape)}'.encode())
        flat = value.detach().cpu().contiguous().flatten()
        found.update(flat.view(torch.uint8).numpy())
    elif isinstance(value, dict):
        found.update(f'dict {len(value)}'.encode())
        for key, item in value.items():
            found.update(repr(key).encode())
            _add(item, found)
    elif isinstance(value, (list, tuple)):
        found.update(f'sequence {len(value)}'.encode())
        for item in value:
            _add(item, found)
    else:
        found.update(repr(value).encode())
