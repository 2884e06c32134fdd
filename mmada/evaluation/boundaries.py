"""Boundaries of label maps, of all classes at once.

A pixel's set of classes is kept as bits of integers, so that one pass over
the image dilates the boundaries of up to 63 classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

BITS = 63
"""Classes in a word; the sign bit of an int64 is left alone."""


def inner_edges(labels: Tensor) -> Tensor:
    """Find the pixels with another label among their eight neighbours.

    These are the pixels whose 3x3 average in the map of their own class is
    not one, with pixels beyond the border of the image not counted: the
    inner side of each boundary.

    Args:
        labels: Shape ``(H, W)``.

    Returns:
        Booleans, shape ``(H, W)``.
    """
    edges = torch.zeros_like(labels, dtype=torch.bool)
    top, bottom = slice(None, -1), slice(1, None)
    every = slice(None)
    for here, there in (
        ((every, top), (every, bottom)),
        ((top, every), (bottom, every)),
        ((top, top), (bottom, bottom)),
        ((top, bottom), (bottom, top)),
    ):
        differs = labels[here] != labels[there]
        edges[here] |= differs
        edges[there] |= differs
    return edges


def label_sets(labels: Tensor, where: Tensor, num_classes: int) -> Tensor:
    """Return the set of classes of each pixel: its label or nothing.

    Args:
        labels: Shape ``(H, W)``, in 0..num_classes-1 where they are used.
        where: Which pixels are not empty, shape ``(H, W)``.
        num_classes: Number C of classes.

    Returns:
        Sets of int64, shape ``(ceil(C / 63), H, W)``.
    """
    words = torch.arange(-(-num_classes // BITS), device=labels.device)
    own = (labels // BITS == words.view(-1, 1, 1)) & where
    return own.to(torch.int64) << labels % BITS


def spread_sets(sets: Tensor, tolerance: int) -> Tensor:
    """Unite each pixel's set with those at most ``tolerance`` away.

    Args:
        sets: Shape ``(..., H, W)``.
        tolerance: Pixels along and across, the window being
            ``2 * tolerance + 1`` wide.
    """
    for dim in (-1, -2):
        sets = _unite_windows(sets, tolerance, dim)
    return sets


def _unite_windows(sets: Tensor, tolerance: int, dim: int) -> Tensor:
    size, window = sets.shape[dim], 2 * tolerance + 1
    margin = list(sets.shape)
    margin[dim] = tolerance
    empty = sets.new_zeros(margin)
    united, width = torch.cat([empty, sets, empty], dim), 1
    # Two windows side by side make one of twice the width ...
    while 2 * width <= window:
        united = _either(united, width, united.shape[dim] - width, dim)
        width *= 2
    # ... and two that overlap any in between.
    return _either(united, window - width, size, dim)


def _either(sets: Tensor, shift: int, size: int, dim: int) -> Tensor:
    return sets.narrow(dim, 0, size) | sets.narrow(dim, shift, size)


def holds_label(sets: Tensor, labels: Tensor) -> Tensor:
    """Return whether a pixel's set holds its label.

    Args:
        sets: Shape ``(words, H, W)``.
        labels: Classes, shape ``(H, W)``.

    Returns:
        Booleans, shape ``(H, W)``.
    """
    word = sets.gather(0, (labels // BITS).unsqueeze(0))[0]
    return (word >> labels % BITS & 1).bool()
