"""Boundary F1: soft edges of probabilities, compared with those of labels.

The edge of a region is where it differs from its own erosion: the XOR of both,
E = OR - AND with AND = h1(p) h2(q) and OR = h3(p) + h4(q) - h3(p) h4(q), where
q is the erosion of p. AND, OR and XOR are those of a Boolean algebra, for
numbers in [0, 1]: each agrees with its truth table at 0 and 1 and is linear in
each argument. Where the curves would make XOR negative it is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmada.surrogates.curve import Curve
from mmada.surrogates.morphology import (
    chunks,
    edge_maps,
    erode,
    label_edges,
    line_max,
    planes,
    window_max,
)
from mmada.surrogates.regions import EPS, keep_classes
from mmada.surrogates.target import Target, where_counted


def boundary_f1(
    probabilities: Tensor,
    target: Target,
    curves: Sequence[Curve],
    tolerance: int,
    drop_bg: bool,
) -> Tensor:
    """Return the mean F1 of the edges of all classes that have one.

    Ignored pixels have no edge in the labels. A predicted edge counts there
    as in the metric, with the mean weight of the others; the band alone makes
    no edge of what is predicted around it.

    Args:
        probabilities: Shape ``(N, C, H, W)``.
        target: What they are compared with.
        curves: h1 to h4.
        tolerance: How far apart edges may be, in pixels along either axis.
        drop_bg: Whether class 0 does not count.
    """
    if target.valid is not None and target.weight is not None:
        mean = target.weight.sum() / target.valid.sum().clamp(min=1)
        weight = torch.where(target.valid, target.weight, mean)
        target = replace(target, weight=weight)
    edges = label_edges(target)
    counted = target.class_sums(edges.to(probabilities.dtype)) > 0
    if drop_bg:
        counted[0] = False
    # A class that does not count has no gradient either.
    edges = edges & counted[target.label]
    probabilities, target = keep_classes(probabilities, target, counted)
    soft = soft_edges(probabilities, erode(probabilities), curves)
    near = window_max(edge_maps(target, edges), tolerance)
    total, matched, found = edge_scores(soft, near, target, edges, tolerance)
    size = target.class_sums(edges.to(soft.dtype))
    precision = matched / (total + EPS)
    recall = found / (size + EPS)
    f1 = 2 * precision * recall / (precision + recall + EPS)
    number = counted.sum()
    return where_counted(f1.sum() / number.clamp(min=1), number)


def soft_edges(p: Tensor, q: Tensor, curves: Sequence[Curve]) -> Tensor:
    """Return how much of an edge each pixel is, E.

    Args:
        p: Regions, any shape of at least two axes.
        q: Their erosions, the same shape.
        curves: h1 to h4.

    Returns:
        The same shape, in [0, 1].
    """
    return _SoftEdges.apply(p, q, *curves)


class _SoftEdges(torch.autograd.Function):
    """E of p and q; keeps its two derivatives."""

    @staticmethod
    def forward(ctx: Any, p: Tensor, q: Tensor, *curves: Curve) -> Tensor:
        p, q = p.contiguous(), q.contiguous()
        out = torch.empty_like(p), torch.empty_like(p), torch.empty_like(p)
        flat = [each.view(1, 1, -1) for each in (p, q, *out)]
        for _, part in chunks(flat[0]):
            _edge(curves, *(each[0, 0, part] for each in flat))
        edges, by_p, by_q = out
        ctx.save_for_backward(by_p, by_q)
        return edges

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        by_p, by_q = ctx.saved_tensors
        return grad * by_p, grad * by_q, None, None, None, None


def _edge(
    curves: Sequence[Curve],
    p: Tensor,
    q: Tensor,
    edge: Tensor,
    by_p: Tensor,
    by_q: Tensor,
) -> None:
    """Fill in E, dE/dp and dE/dq, all of the shape of p."""
    values, slopes = zip(
        *(
            curve.value_and_slope(x)
            for curve, x in zip(curves, (p, q, p, q), strict=True)
        ),
        strict=True,
    )
    h1, h2, h3, h4 = values
    d1, d2, d3, d4 = slopes
    torch.add(h3, h4, out=edge)
    edge.addcmul_(h3, h4, value=-1).addcmul_(h1, h2, value=-1)
    d3.addcmul_(d3, h4, value=-1)
    d4.addcmul_(d4, h3, value=-1)
    torch.addcmul(d3, d1, h2, value=-1, out=by_p)
    torch.addcmul(d4, d2, h1, value=-1, out=by_q)
    # AND and OR are of different curves, and only their order at the corners
    # of the truth table is certain. Seldom enough to look first.
    if edge.min() < 0:
        positive = edge.clamp_(min=0).sign()
        by_p.mul_(positive)
        by_q.mul_(positive)


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
