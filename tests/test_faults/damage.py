"""Ways to damage bytes, and content that must never run."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from hypothesis import strategies as st


class Payload:
    """Touches a file when it is unpickled."""

    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.sentinel,))


def _torch_file(payload: Payload, zipped: bool) -> bytes:
    file = io.BytesIO()
    torch.save(
        dict(state_dict=payload, round=1),
        file,
        _use_new_zipfile_serialization=zipped,
    )
    return file.getvalue()


def _numpy_file(payload: Payload) -> bytes:
    file = io.BytesIO()
    np.savez(file, policy=np.array([payload], dtype=object))
    return file.getvalue()


def _safetensors_file(payload: Payload) -> bytes:
    data = pickle.dumps(payload)
    return len(data).to_bytes(8, 'little') + data


CLOTHING: dict[str, Callable[[Payload], bytes]] = {
    'policy.pth': lambda p: _torch_file(p, zipped=True),
    'policy.pt': lambda p: _torch_file(p, zipped=False),
    'policy.pkl': pickle.dumps,
    'policy.json': lambda p: pickle.dumps(p, protocol=0),
    'policy.npz': _numpy_file,
    'policy.safetensors': _safetensors_file,
}
"""Files that run something when they are unpickled, by a harmless name."""


def flip(data: bytes, bits: list[int]) -> bytes:
    """Returns the data with some bits changed."""
    changed = bytearray(data)
    for bit in bits:
        changed[bit // 8 % len(data)] ^= 1 << bit % 8
    return bytes(changed)


@st.composite
def damaged(draw: st.DrawFn, data: bytes) -> bytes:
    """Draws the data with flipped bits, a cut, or a part put elsewhere."""
    size = len(data)
    place = st.integers(0, size)
    kind = draw(st.sampled_from(['flip', 'cut', 'splice', 'overwrite']))
    if kind == 'flip':
        bits = st.integers(0, 8 * size - 1)
        return flip(data, draw(st.lists(bits, min_size=1, max_size=4)))
    if kind == 'cut':
        return data[: draw(place)]
    if kind == 'splice':
        start, end, after = draw(place), draw(place), draw(place)
        return data[:start] + data[end:after] + data[after:]
    tail = draw(st.binary(max_size=40))
    start = draw(place)
    return data[:start] + tail + data[start + len(tail) :]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**400), 2**63])
    | st.floats()
    | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=5,
)
