"""Soft regions: what probabilities and a label map have in common.

With h1 and h2 in place of the identity, for every class, over the pixels that
count: I = sum AND(h1(p), y) and U = sum OR(h2(p), y). Accuracies are the
share of a class that is found, with h1(p) for p.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from mmada.surrogates.curve import Curve
from mmada.surrogates.morphology import chunks, label_edges, window_max
from mmada.surrogates.target import Target, where_counted

EPS = 1e-8


def mean_iou(
    probabilities: Tensor, target: Target, curves: Sequence[Curve]
) -> Tensor:
    """Return the mean of I / U over all classes, absent ones as 0.

    Args:
        probabilities: Shape ``(N, C, ...)``.
        target: What they are compared with.
        curves: h1 and h2.
    """
    inter, union, size = intersection_and_union(probabilities, target, curves)
    mean = (inter / union).sum() / target.num_classes
    return where_counted(mean, size.sum())


def frequency_weighted_iou(
    probabilities: Tensor, target: Target, curves: Sequence[Curve]
) -> Tensor:
    """Return the mean of I / U weighted by the size of each class.

    Args:
        probabilities: Shape ``(N, C, ...)``.
        target: What they are compared with.
        curves: h1 and h2.
    """
    inter, union, size = intersection_and_union(probabilities, target, curves)
    total = size.sum()
    iou = (size * inter / union).sum() / total.clamp(min=EPS)
    return where_counted(iou, total)


def boundary_iou(
    probabilities: Tensor,
    target: Target,
    curves: Sequence[Curve],
    tolerance: int,
    drop_bg: bool,
) -> Tensor:
    """Return the mean of I / U of the pixels near an edge of the target.

    Args:
        probabilities: Shape ``(N, C, H, W)``.
        target: What they are compared with.
        curves: h1 and h2.
        tolerance: How near an edge, in pixels.
        drop_bg: Whether edges of class 0 do not count.
    """
    near = trimap(target, tolerance, drop_bg)
    return mean_iou(probabilities, target.counting(near), curves)


def trimap(target: Target, tolerance: int, drop_bg: bool) -> Tensor:
    """Return which pixels are near an edge of a class; shape (N, H, W).

    Args:
        target: Shape ``(N, H, W)``.
        tolerance: How near, in pixels along either axis.
        drop_bg: Whether edges of class 0 do not count.
    """
    edges = label_edges(target)
    if drop_bg:
        edges = edges & (target.label != 0)
    return window_max(edges.byte(), tolerance).bool()


def mean_accuracy(
    probabilities: Tensor, target: Target, curves: Sequence[Curve]
) -> Tensor:
    """Return the mean over all classes of the share found, absent as 0.

    Args:
        probabilities: Shape ``(N, C, ...)``.
        target: What they are compared with.
        curves: h1.
    """
    found, size = _found_and_size(probabilities, target, curves[0])
    return where_counted((found / (size + EPS)).mean(), size.sum())


def global_accuracy(
    probabilities: Tensor, target: Target, curves: Sequence[Curve]
) -> Tensor:
    """Return the share of all pixels that is found.

    Args:
        probabilities: Shape ``(N, C, ...)``.
        target: What they are compared with.
        curves: h1.
    """
    found, size = _found_and_size(probabilities, target, curves[0])
    total = size.sum()
    return where_counted(found.sum() / (total + EPS), total)


def _found_and_size(
    probabilities: Tensor, target: Target, curve: Curve
) -> tuple[Tensor, Tensor]:
    """Return sums of h1(p) y and of y, each of shape ``(C,)``."""
    own = curve(target.of_class(probabilities))
    return target.class_sums(own), target.class_sums()


def intersection_and_union(
    probabilities: Tensor, target: Target, curves: Sequence[Curve]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return I, U and the target's own size of the classes that are there.

    Without a pixel that counts I is 0, whatever is predicted, and so is the
    gradient: such classes are left out before anything is computed of them.

    Args:
        probabilities: Shape ``(N, C, ...)``.
        target: What they are compared with.
        curves: h1 and h2.

    Returns:
        Three vectors of one length, at most C.
    """
    probabilities, target = keep_classes(
        probabilities, target, target.class_sums() > 0
    )
    inside, outside = _RegionSums.apply(
        probabilities, target.label, target.weight, *curves
    )
    size = target.class_sums()
    # OR is 1 inside the target and h2(p) outside of it.
    return inside, outside + size + EPS, size


def keep_classes(
    maps: Tensor, target: Target, wanted: Tensor
) -> tuple[Tensor, Target]:
    """Return the maps and the target of some classes; all for none.

    Args:
        maps: Shape ``(N, C, ...)``.
        target: What they are compared with; no pixel of another class counts.
        wanted: Which classes, bool, shape ``(C,)``.
    """
    kept = wanted.nonzero().flatten()
    if len(kept) in (0, target.num_classes):
        return maps, target
    return maps.index_select(1, kept), target.of_classes(kept)


class _RegionSums(torch.autograd.Function):
    """Sums of h1(p) inside and h2(p) outside the target, per class.

    One pass over small parts that stay in the cache. It keeps h2'(p) of all
    classes, and h1'(p) of each pixel's own class.
    """

    @staticmethod
    def forward(
        ctx: Any,
        p: Tensor,
        label: Tensor,
        weight: Tensor | None,
        inner: Curve,
        outer: Curve,
    ) -> tuple[Tensor, Tensor]:
        n, c = p.shape[:2]
        index = label.reshape(n, 1, -1)
        maps = p.reshape(n, c, -1)
        counts = None if weight is None else weight.reshape(n, 1, -1)
        slopes, everywhere = _weighted_sums(maps, counts, outer)
        own = maps.gather(1, index)
        value, own_slope = inner.value_and_slope(own)
        false, _ = outer.value_and_slope(own)
        if counts is not None:
            value, own_slope = value * counts, own_slope * counts
            false = false * counts
        zeros = everywhere.new_zeros(2, c)
        pairs = torch.stack([value.flatten(), false.flatten()]).double()
        inside, twice = zeros.index_add_(1, index.flatten(), pairs)
        ctx.save_for_backward(slopes, own_slope, index)
        ctx.shape = p.shape
        return inside, everywhere - twice

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, inside: Tensor, outside: Tensor
    ) -> tuple[Tensor, None, None, None, None]:
        slopes, own_slope, index = ctx.saved_tensors
        grad = slopes * outside.to(slopes.dtype)[:, None]
        own = own_slope * inside.to(slopes.dtype)[index]
        grad.scatter_(1, index, own)
        return grad.view(ctx.shape), None, None, None, None


def _weighted_sums(
    maps: Tensor, counts: Tensor | None, curve: Curve
) -> tuple[Tensor, Tensor]:
    """Return weighted h'(p), and sums of weighted h(p) per class.

    Args:
        maps: p, shape ``(N, C, L)``.
        counts: Weights, shape ``(N, 1, L)``.
        curve: h.

    Returns:
        Shapes ``(N, C, L)`` and ``(C,)``, the latter in float64.
    """
    slopes = torch.empty_like(maps)
    sums = maps.new_zeros(maps.shape[1], dtype=torch.float64)
    for rows, columns in chunks(maps):
        value, slope = curve.value_and_slope(maps[rows, :, columns])
        into = slopes[rows, :, columns]
        if counts is None:
            into.copy_(slope)
        else:
            part = counts[rows, :, columns]
            torch.mul(slope, part, out=into)
            value.mul_(part)
        sums += value.sum((0, 2))
    return slopes, sums
