"""Edges of label maps, and neighbourhoods along the last two axes."""

from __future__ import annotations

import torch
from torch import Tensor

from mmada.surrogates.target import Target


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
