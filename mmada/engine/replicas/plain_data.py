"""Plain data as snapshots hold them: what a state file can store.

Numbers, strings and None stand for themselves. Everything else is a tuple of
its kind and what it is made of, so that a list comes back as a list, a NumPy
array as one, and a tensor on its kind of device.
"""

from __future__ import annotations

import random
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from mmengine.config import ConfigDict
from torch import Tensor

SCALARS = (bool, int, float, str, type(None))
_SEQUENCES = {
    kind.__name__: kind for kind in (list, tuple, set, frozenset, torch.Size)
}
_MAPPINGS = {
    kind.__name__: kind for kind in (dict, OrderedDict, Counter, ConfigDict)
}
_COPIED = ('array', 'scalar', 'generator')
GENERATORS = (
    torch.Generator,
    np.random.Generator,
    np.random.RandomState,
    random.Random,
)


def map_tensors(value: Any, function: Callable[[Tensor], Any]) -> Any:
    """Copy nested dicts, lists and tuples, with new tensors in them.

    Args:
        value: Nested dicts, lists and tuples; what else is in them is kept.
        function: Returns what replaces a tensor.
    """
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, dict):
        return {k: map_tensors(v, function) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map_tensors(v, function) for v in value)
    return value


def clone_nested(value: Any, device: str | None = None) -> Any:
    """Copy nested dicts, lists and tuples, cloning each tensor.

    Optimizers hand out and take in their own tensors, so a snapshot that is
    not cloned both ways ties two replicas together.

    Args:
        value: Nested dicts, lists and tuples; what else is in them is kept.
        device: Where the clones are; None for where each tensor is.
    """
    return map_tensors(
        value, lambda t: t.detach().to(device or t.device, copy=True)
    )


class NotPlainError(TypeError):
    """A value is no plain data."""


def encode(value: Any) -> Any:
    """Return what stands for plain data in a snapshot, nothing copied.

    Raises:
        NotPlainError: If there is something else in it.
    """
    kind = type(value)
    if kind in SCALARS:
        return value
    if isinstance(value, Tensor):
        return 'tensor', value.device.type, value.detach()
    name = kind.__name__
    if _SEQUENCES.get(name) is kind:
        items = sorted(value, key=repr) if 'set' in name else value
        return name, [encode(item) for item in items]
    if _MAPPINGS.get(name) is kind:
        # A ConfigDict's own `items` builds what it holds.
        pairs = dict.items(value)
        return name, [[encode(k), encode(v)] for k, v in pairs]
    if kind is deque:
        return name, [encode(item) for item in value], value.maxlen
    if isinstance(value, (np.ndarray, np.generic)):
        return _encode_array(value)
    if isinstance(value, GENERATORS):
        return 'generator', encode(generator_state(value))
    if kind in (torch.dtype, torch.device):
        return kind.__name__, str(value)
    if kind is bytes:
        return name, value.hex()
    if kind is complex:
        return name, value.real, value.imag
    raise NotPlainError(kind.__name__)


def decode(found: Any) -> Any:
    """Return the data that :func:`encode` was given, tensors cloned.

    Raises:
        NotPlainError: For a generator, which has to be there already.
    """
    if not isinstance(found, tuple):
        return found
    name, *parts = found
    if name in _SEQUENCES:
        return _SEQUENCES[name](map(decode, parts[0]))
    if name in _MAPPINGS:
        return _MAPPINGS[name]({decode(k): decode(v) for k, v in parts[0]})
    if name in _DECODERS:
        return _DECODERS[name](*parts)
    raise NotPlainError(name)


def _decode_array(dtype: str, shape: list[int], data: Tensor) -> Any:
    flat = np.frombuffer(data.cpu().numpy().tobytes(), np.dtype(dtype))
    return flat.reshape(shape).copy()


_DECODERS: dict[str, Callable[..., Any]] = dict(
    tensor=lambda device, data: data.to(device, copy=True),
    deque=lambda items, maxlen: deque(map(decode, items), maxlen),
    array=_decode_array,
    scalar=lambda *parts: _decode_array(*parts)[()],
    dtype=lambda name: getattr(torch, name.removeprefix('torch.')),
    device=torch.device,
    bytes=bytes.fromhex,
    complex=complex,
)


def _encode_array(value: Any) -> tuple[str, str, list[int], Tensor]:
    if value.dtype.hasobject:
        raise NotPlainError(f'array of {value.dtype}')
    data = np.frombuffer(value.tobytes(), np.uint8).copy()
    name = 'array' if isinstance(value, np.ndarray) else 'scalar'
    return name, value.dtype.str, list(value.shape), torch.from_numpy(data)


def generator_state(generator: Any) -> Any:
    """Return the state of a generator of PyTorch, NumPy or Python."""
    if isinstance(generator, torch.Generator):
        return generator.get_state()
    if isinstance(generator, np.random.Generator):
        return generator.bit_generator.state
    if isinstance(generator, np.random.RandomState):
        return generator.get_state(legacy=False)
    return generator.getstate()


def set_generator_state(generator: Any, state: Any) -> None:
    """Take over what :func:`generator_state` gave."""
    if isinstance(generator, torch.Generator):
        generator.set_state(state.cpu())
    elif isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    elif isinstance(generator, np.random.RandomState):
        generator.set_state(state)
    else:
        generator.setstate(state)


def tensors_of(found: Any) -> Iterator[Tensor]:
    """Return the tensors of encoded data, not those made by encoding."""
    if isinstance(found, tuple) and found[0] == 'tensor':
        yield found[2]
    elif isinstance(found, list) or (
        isinstance(found, tuple) and found[0] not in _COPIED
    ):
        for part in found:
            yield from tensors_of(part)


def same(first: Any, second: Any) -> bool:
    """Return whether two encoded values stand for the same data."""
    if first is second and not isinstance(first, Tensor):
        return True
    if type(first) is not type(second):
        return False
    if isinstance(first, Tensor):
        return (
            first.dtype == second.dtype
            and first.device == second.device
            and torch.equal(first, second)
        )
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(map(same, first, second))
    return bool(first == second or (first != first and second != second))


def put_into(target: Any, found: Any) -> bool:
    """Change an object to encoded data, where it can be changed.

    What is shared stays shared: tensors, lists and generators keep their
    identity.

    Args:
        target: The object.
        found: What it is to hold.

    Returns:
        Whether it could be changed.
    """
    kind = type(target)
    if not isinstance(found, tuple):
        return False
    if isinstance(target, Tensor) and found[0] == 'tensor':
        return _copy_into(target, found[2])
    if isinstance(target, GENERATORS) and found[0] == 'generator':
        set_generator_state(target, decode(found[1]))
        return True
    if found[0] != kind.__name__:
        return False
    value = decode(found)
    if kind in (list, deque):
        target.clear()
        target.extend(value)
    elif kind in (set, *_MAPPINGS.values()):
        target.clear()
        target.update(value)
    else:
        return False
    return True


def _copy_into(target: Tensor, found: Tensor) -> bool:
    fits = (target.shape, target.dtype) == (found.shape, found.dtype)
    if fits:
        with torch.no_grad():
            target.copy_(found)
    return fits
