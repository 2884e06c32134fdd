"""Parts of a large map, small enough that what is made of one stays close."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

# Elements of a part: 512 KiB for each thread of a CPU, so that a chain of
# operations stays in its cache; for an accelerator enough to fill it while
# what is temporary remains small.
CPU_CHUNK = 2**17
DEVICE_CHUNK = 2**22


def chunk_size(maps: Tensor) -> int:
    """Return the elements that one part of a tensor should have."""
    if maps.device.type == 'cpu':
        return CPU_CHUNK * torch.get_num_threads()
    return DEVICE_CHUNK


def chunks(maps: Tensor) -> Iterator[tuple[slice, slice]]:
    """Yield slices of the first and the last axis that cover a tensor.

    Args:
        maps: Shape ``(N, C, L)``.
    """
    n, c, length = maps.shape
    columns = max(1, min(length, chunk_size(maps) // c))
    rows = max(1, chunk_size(maps) // (c * columns))
    for row in range(0, n, rows):
        for column in range(0, length, columns):
            yield slice(row, row + rows), slice(column, column + columns)


def planes(maps: Tensor) -> tuple[Tensor, ...]:
    """Return views of a contiguous tensor that cover it.

    Args:
        maps: Shape ``(N, C, H, W)``.

    Returns:
        Each ``H x W`` on a CPU, whose cache holds a few of them; elsewhere
        the tensor itself.
    """
    if maps.device.type == 'cpu':
        return maps.flatten(0, 1).unbind()
    return (maps,)
