"""Edges of label maps, and neighbourhoods along the last two axes.

The erosion is several times as fast on a CPU as a pooling layer, and keeps its
input alone. Large maps are worked on in parts, small enough that what is made
of one stays in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmada.surrogates.target import Target

# Elements of a part: 512 KiB for each thread of a CPU, so that a chain of
# operations stays in its cache; for an accelerator enough to fill it while
# what is temporary remains small.
CPU_CHUNK = 2**17
DEVICE_CHUNK = 2**22


def window_max(maps: Tensor, radius: int) -> Tensor:
    """Return the largest value of each square window; no padding counts.

    Args:
        maps: Shape ``(..., H, W)``.
        radius: Windows are ``2 radius + 1`` wide.

    Returns:
        The same shape.
    """
    return line_max(line_max(maps, radius, -2), radius, -1)


def line_max(maps: Tensor, radius: int, axis: int) -> Tensor:
    """Return the largest value of each window along one axis.

    Args:
        maps: Any shape.
        radius: Windows are ``2 radius + 1`` long.
        axis: Which axis.
    """
    reach = 0
    while reach < radius:
        # A window of reach r, shifted by at most r + 1, leaves no gap,
        # nor does it where the shift leads beyond the border.
        shift = min(reach + 1, radius - reach)
        maps = _with_neighbours(maps, shift, axis)
        reach += shift
    return maps


def _with_neighbours(maps: Tensor, shift: int, axis: int) -> Tensor:
    """Return the maximum of each element and the two at a distance."""
    size = maps.shape[axis]
    found = maps.clone()
    if shift < size:
        for here, there in ((0, shift), (shift, 0)):
            part = found.narrow(axis, here, size - shift)
            other = maps.narrow(axis, there, size - shift)
            torch.maximum(part, other, out=part)
    return found


def label_edges(target: Target) -> Tensor:
    """Return where a class touches another one: its own outermost pixels.

    Ignored pixels belong to no class, so that a class that touches them has
    an edge there, and they have none.

    Args:
        target: Shape ``(N, H, W)``.

    Returns:
        Bool, shape ``(N, H, W)``.
    """
    label, valid = target.label.int(), target.valid
    if valid is not None:
        label = label.masked_fill(~valid, -1)
    differs = window_max(label, 1) != -window_max(-label, 1)
    return differs if valid is None else differs & valid


def edge_maps(target: Target, edges: Tensor) -> Tensor:
    """Return a map of edges for every class.

    Args:
        target: Shape ``(N, H, W)``.
        edges: Bool, the same shape.

    Returns:
        Bytes of 0 and 1, shape ``(N, C, H, W)``.
    """
    n, height, width = target.label.shape
    maps = edges.new_zeros(
        (n, target.num_classes, height, width), dtype=torch.uint8
    )
    return maps.scatter_(1, target.label[:, None], edges.byte()[:, None])


def erode(maps: Tensor) -> Tensor:
    """Return the 3 x 3 minimum; beyond the border nothing is smaller.

    Args:
        maps: Shape ``(N, C, H, W)``.

    Returns:
        The same shape. Of equally small neighbours one gets the gradient.
    """
    return _Erode.apply(maps)


class _Erode(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, maps: Tensor) -> Tensor:
        maps = maps.contiguous()
        ctx.save_for_backward(maps)
        out = torch.empty_like(maps)
        for plane, into in zip(planes(maps), planes(out), strict=True):
            into.copy_(_line_min(_line_min(plane, -1), -2))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (maps,) = ctx.saved_tensors
        out = torch.empty_like(maps)
        for plane, into, given in zip(
            planes(maps), planes(out), planes(grad), strict=True
        ):
            rows = _line_min(plane, -1)
            least = _line_min(rows, -2)
            into.copy_(_route(_route(given, rows, least, -2), plane, rows, -1))
        return out


def _line_min(maps: Tensor, axis: int) -> Tensor:
    """Return the minimum of each element and its two neighbours on an axis."""
    size = maps.shape[axis]
    found = maps.clone()
    if size > 1:
        first, last = (
            found.narrow(axis, 0, size - 1),
            found.narrow(axis, 1, size - 1),
        )
        torch.minimum(first, maps.narrow(axis, 1, size - 1), out=first)
        torch.minimum(last, maps.narrow(axis, 0, size - 1), out=last)
    return found


def _route(grad: Tensor, maps: Tensor, least: Tensor, axis: int) -> Tensor:
    """Send each gradient to the element that its minimum came from.

    Args:
        grad: Gradient of ``least``.
        maps: What the minimum was taken of.
        least: ``_line_min(maps, axis)``.
        axis: Along which.
    """
    size = maps.shape[axis] - 1
    rest = _away(maps, least).mul_(grad)
    routed = grad - rest
    if size:
        left = rest.narrow(axis, 1, size)
        before = maps.narrow(axis, 0, size)
        kept = _away(before, least.narrow(axis, 1, size)).mul_(left)
        routed.narrow(axis, 0, size).add_(left).sub_(kept)
        left.copy_(kept)
        # What is neither the element's nor the one's before is the next one's.
        routed.narrow(axis, 1, size).add_(rest.narrow(axis, 0, size))
    return routed


def _away(maps: Tensor, least: Tensor) -> Tensor:
    """Return 0 where an element is the least one, and 1 elsewhere.

    As numbers: a Boolean costs a CPU several times as much.
    """
    return torch.ne(maps, least, out=torch.empty_like(maps))


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
