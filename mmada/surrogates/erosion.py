"""The smallest value of every 3 x 3 window, with gradients.

Several times as fast on a CPU as a pooling layer, and keeps its input alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


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
        for plane, into in zip(_planes(maps), _planes(out), strict=True):
            into.copy_(_line_min(_line_min(plane, -1), -2))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (maps,) = ctx.saved_tensors
        out = torch.empty_like(maps)
        for plane, into, given in zip(
            _planes(maps), _planes(out), _planes(grad), strict=True
        ):
            rows = _line_min(plane, -1)
            least = _line_min(rows, -2)
            into.copy_(_route(_route(given, rows, least, -2), plane, rows, -1))
        return out


def _planes(maps: Tensor) -> tuple[Tensor, ...]:
    """Return the maps as planes on a CPU, whose cache holds a few of them."""
    if maps.device.type != 'cpu':
        return (maps,)
    return maps.flatten(0, 1).unbind()


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
    size = maps.shape[axis]
    routed = grad * (maps == least)
    rest = grad - routed
    for here, there in ((1, 0), (0, 1)):
        if size > 1:
            left = rest.narrow(axis, here, size - 1)
            source = maps.narrow(axis, there, size - 1)
            part = left * (source == least.narrow(axis, here, size - 1))
            left.sub_(part)
            routed.narrow(axis, there, size - 1).add_(part)
    return routed
