"""Boundary F1: soft edges of probabilities, compared with those of labels.

The edge of a region is where it differs from its own erosion: the XOR of both,
E = OR - AND with AND = h1(p) h2(q) and OR = h3(p) + h4(q) - h3(p) h4(q), where
q is the erosion of p.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmada.surrogates.chunks import chunks
from mmada.surrogates.curve import Curve
from mmada.surrogates.edge_scores import edge_scores
from mmada.surrogates.erosion import erode
from mmada.surrogates.logic import soft_and, soft_or, soft_xor
from mmada.surrogates.morphology import edge_maps, label_edges, window_max
from mmada.surrogates.regions import EPS
from mmada.surrogates.target import Target, where_counted


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


def boundary_f1(
    probabilities: Tensor,
    target: Target,
    curves: Sequence[Curve],
    tolerance: int,
    drop_bg: bool,
) -> Tensor:
    """Return the mean F1 of the edges of all classes that have one.

    Args:
        probabilities: Shape ``(N, C, H, W)``.
        target: What they are compared with.
        curves: h1 to h4.
        tolerance: How far apart edges may be, in pixels along either axis.
        drop_bg: Whether class 0 does not count.
    """
    if target.valid is not None:
        # Ignored pixels belong to no class, neither here nor there.
        probabilities = probabilities * target.valid[:, None]
    soft = soft_edges(probabilities, erode(probabilities), curves)
    edges = label_edges(target)
    near = window_max(edge_maps(target, edges), tolerance)
    total, matched, found = edge_scores(soft, near, target, edges, tolerance)
    size = target.class_sums(edges.to(soft.dtype))
    precision = matched / (total + EPS)
    recall = found / (size + EPS)
    f1 = 2 * precision * recall / (precision + recall + EPS)
    counted = size > 0
    if drop_bg:
        counted[0] = False
    number = counted.sum()
    return where_counted((f1 * counted).sum() / number.clamp(min=1), number)


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
    edge.copy_(soft_xor(soft_or(h3, h4), soft_and(h1, h2)))
    positive = edge.sign()
    p_slope = d3.addcmul_(d3, h4, value=-1).addcmul_(d1, h2, value=-1)
    q_slope = d4.addcmul_(d4, h3, value=-1).addcmul_(d2, h1, value=-1)
    torch.mul(p_slope, positive, out=by_p)
    torch.mul(q_slope, positive, out=by_q)
