"""How soft edges and those of the labels meet, added up per class."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmada.surrogates.chunks import planes
from mmada.surrogates.morphology import line_max
from mmada.surrogates.target import Target


def edge_scores(
    soft: Tensor, near: Tensor, target: Target, edges: Tensor, radius: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the sums of E, of E near an edge, and of edges near an E.

    Args:
        soft: E, not negative, shape ``(N, C, H, W)``.
        near: Where E counts as right, bytes, same shape.
        target: Shape ``(N, H, W)``; its weights count.
        edges: Edges of the labels, bool, shape ``(N, H, W)``.
        radius: How far from an edge pixel the largest E is looked for.

    Returns:
        Three sums per class in float64, each of shape ``(C,)``.
    """
    image, row, column = edges.nonzero(as_tuple=True)
    kind = target.label[image, row, column]
    weight = target.weight
    share = None if weight is None else weight[image, row, column]
    peaks = window_peaks(soft.detach(), image, kind, row, column, radius)
    return _EdgeScores.apply(soft, near, weight, peaks, kind, share)


def window_peaks(
    maps: Tensor,
    image: Tensor,
    kind: Tensor,
    row: Tensor,
    column: Tensor,
    radius: int,
) -> Tensor:
    """Return where the largest value around each of some pixels is.

    Args:
        maps: Shape ``(N, C, H, W)``.
        image: Image of each pixel, shape ``(K,)``; so are those below.
        kind: Class of each.
        row: Row of each.
        column: Column of each.
        radius: Windows are ``2 radius + 1`` wide.

    Returns:
        Positions in the flattened maps, shape ``(K,)``.
    """
    n, c, height, width = maps.shape
    reach = torch.arange(-radius, radius + 1, device=maps.device)
    # The largest of each row's window first, so that 2 (2 radius + 1) values
    # are looked at instead of the square of it.
    widest = torch.empty_like(maps)
    for one, into in zip(planes(maps), planes(widest), strict=True):
        into.copy_(line_max(one, radius, -1))
    plane = (image * c + kind)[:, None] * height
    rows = plane + (row[:, None] + reach).clamp_(0, height - 1)
    starts = _peak(widest, rows * width + column[:, None]) - column
    columns = (column[:, None] + reach).clamp_(0, width - 1)
    return _peak(maps, starts[:, None] + columns)


def _peak(maps: Tensor, places: Tensor) -> Tensor:
    """Return the place of the largest value of each row of places.

    Args:
        maps: Any shape.
        places: Positions in the flattened maps, shape ``(K, L)``.
    """
    best = maps.reshape(-1)[places].argmax(dim=1, keepdim=True)
    return places.gather(1, best).squeeze(1)


class _EdgeScores(torch.autograd.Function):
    """The three sums, in one pass back."""

    @staticmethod
    def forward(
        ctx: Any,
        soft: Tensor,
        near: Tensor,
        weight: Tensor | None,
        peaks: Tensor,
        kind: Tensor,
        share: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        n, c = soft.shape[:2]
        sums = soft.new_zeros(3, c, dtype=torch.float64)
        for i in range(n):
            counted = soft[i] if weight is None else soft[i] * weight[i]
            for k, plane in enumerate(counted):
                sums[0, k] += plane.sum()
                sums[1, k] += (plane * near[i, k]).sum()
        values = soft.reshape(-1)[peaks]
        values = values if share is None else values * share
        sums[2].index_add_(0, kind, values.double())
        ctx.save_for_backward(near, weight, peaks, kind, share)
        ctx.dtype = soft.dtype
        return sums[0].clone(), sums[1].clone(), sums[2].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        near, weight, peaks, kind, share = ctx.saved_tensors
        total, matched, found = (each.to(ctx.dtype) for each in grads)
        grad = near * matched[:, None, None]
        grad.add_(total[:, None, None])
        if weight is not None:
            grad.mul_(weight[:, None])
        at_peaks = found[kind] if share is None else found[kind] * share
        grad.view(-1).index_add_(0, peaks, at_peaks.to(grad.dtype))
        return grad, None, None, None, None, None
