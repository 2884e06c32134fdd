"""What may be stored in a state file, and its bytes.

A state is loaded with ``torch.load(weights_only=True)``, which runs no code
from the file. What that cannot load is refused when it is stored, while the
one who stored it is still there.
"""

from __future__ import annotations

import io
from collections import Counter, OrderedDict
from typing import Any

import torch
from torch import Tensor

# Compared by exact type: numpy.float64 is a float to isinstance, and a
# pickled numpy object on the disk.
_LEAVES = (Tensor, bool, int, float, str, type(None))
_MAPPINGS = (dict, OrderedDict, Counter)
_SEQUENCES = (list, tuple)
_KEYS = (str, int)


def check_payload(value: Any, where: str = 'payload') -> None:
    """Refuse values that would not come back from a state file.

    Args:
        value (Any): Nested dicts, lists and tuples of tensors, numbers,
            strings, bools and None; keys are strings or integers.
        where (str): Name of ``value`` in the message. Defaults to
            ``'payload'``.

    Raises:
        TypeError: Naming the key path of the first unsuitable value.
    """
    kind = type(value)
    if kind in _MAPPINGS:
        for key, item in value.items():
            if type(key) not in _KEYS:
                raise TypeError(
                    f'{where} has the key {key!r} of type '
                    f'{_name(type(key))}; keys should be str or int'
                )
            check_payload(item, f'{where}[{key!r}]')
    elif kind in _SEQUENCES:
        for index, item in enumerate(value):
            check_payload(item, f'{where}[{index}]')
    elif kind not in _LEAVES:
        raise TypeError(
            f'{where} is a {_name(kind)}, which cannot be stored; expected '
            'a plain tensor, number, str, bool, None, or a dict, list or '
            'tuple of these'
        )


def to_bytes(payload: dict[str, Any]) -> memoryview:
    """Serialise a checked payload.

    Through memory, so that the size is known before the disk is touched and
    a full disk shows as the OSError that it is.
    """
    buffer = io.BytesIO()
    torch.save(payload, buffer)
    return buffer.getbuffer()


def from_bytes(data: bytes) -> dict[str, Any]:
    """Read what `to_bytes` made; all tensors are on the CPU."""
    return torch.load(io.BytesIO(data), map_location='cpu', weights_only=True)


def _name(kind: type) -> str:
    if kind.__module__ == 'builtins':
        return kind.__name__
    return f'{kind.__module__}.{kind.__qualname__}'
