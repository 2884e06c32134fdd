"""What a state can hold, and how it is written and read.

Data are loaded with ``torch.load(weights_only=True)``, which runs no code
from the file. What that cannot load is an error already when it is stored,
while the program that stores it still runs.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from pathlib import Path
from typing import IO, Any, Protocol, cast

import torch
from torch import Tensor

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


def check_payload(value: Any, where: str = 'payload') -> None:
    """Check that a value comes back from a state file.

    Args:
        value: Nested dicts, lists and tuples of tensors, numbers, strings,
            bools and None; keys are strings or integers.
        where: Name of ``value`` in the message. Defaults to ``'payload'``.

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
