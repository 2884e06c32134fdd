"""Metrics of semantic segmentation from counts of pixels.

The counts are integers: those of a data set are the sums of those of its
images, in any order. Per class, with 0 / 0 = NaN for a class that there is
nothing of::

    IoU  = shared / (true + found - shared)
    BIoU = the same within the trimap
    Acc  = shared / true
    BF1  = 2 P R / (P + R),  P = edges_found_met / edges_found,
                             R = edges_true_met / edges_true

mIoU, BIoU, mAcc and BF1 are averages over the classes that are not NaN;
FWIoU weighs IoU by the true share of the class; gAcc is the share of pixels
that are right. All are in [0, 1].

Boundaries are found for all classes at once: a pixel's set of classes is
kept as bits of integers, so that one pass over the image dilates the
boundaries of up to 63 classes.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mmada.evaluation.class_counts import ClassesOf

BITS = 63
"""Classes in a word; the sign bit of an int64 is left alone."""


class SemanticCounts(NamedTuple):
    """Pixels of each of C classes, every field of shape ``(C,)``.

    Attributes:
        shared: Of the class in the truth and in the prediction.
        true: Of the class in the truth.
        found: Predicted to be of the class, with a true label.
        trimap_shared: As ``shared``, near a true boundary.
        trimap_true: As ``true``, near a true boundary.
        trimap_found: As ``found``, near a true boundary.
        edges_true: On the inner edge of the class in the truth.
        edges_found: On the inner edge of the class in the prediction.
        edges_true_met: Of ``edges_true``, near an edge of the class in the
            prediction.
        edges_found_met: Of ``edges_found``, near an edge of the class in the
            truth.
    """

    shared: Tensor
    true: Tensor
    found: Tensor
    trimap_shared: Tensor
    trimap_true: Tensor
    trimap_found: Tensor
    edges_true: Tensor
    edges_found: Tensor
    edges_true_met: Tensor
    edges_found_met: Tensor


def count_semantic(
    truth: Tensor,
    predicted: Tensor,
    num_classes: int,
    tolerance: int = 5,
    background: int | None = None,
) -> Tensor:
    """Count one image.

    Pixels without a true label take no part in areas. In boundaries they are
    of no class: the truth has an edge where they begin, and edges predicted
    within them count like others.

    Args:
        truth: True classes, shape ``(H, W)``; ``num_classes`` for a pixel
            without a label.
        predicted: Predicted classes, all of them known, ``(H, W)``.
        num_classes: Number C of classes.
        tolerance: Distance in pixels, along and across, up to which
            something is near. Defaults to 5.
        background: Class whose boundaries are not part of the trimap.
            Defaults to None.

    Returns:
        The rows of :class:`SemanticCounts`, shape ``(10, C)``, int64.
    """
    labelled = truth < num_classes
    true_edges = inner_edges(truth) & labelled
    found_edges = inner_edges(predicted)
    near_true = spread_sets(
        label_sets(truth, true_edges, num_classes), tolerance
    )
    near_found = spread_sets(
        label_sets(predicted, found_edges, num_classes), tolerance
    )
    bounded = true_edges
    if background is not None:
        bounded = true_edges & (truth != background)
    trimap = spread_sets(bounded, tolerance)
    true_met = true_edges & holds_label(near_found, truth.where(labelled, 0))
    found_met = found_edges & holds_label(near_true, predicted)
    rows = SemanticCounts(
        *_count_areas(truth, predicted, labelled, num_classes),
        *_count_areas(truth, predicted, labelled & trimap, num_classes),
        edges_true=_count(truth, true_edges, num_classes),
        edges_found=_count(predicted, found_edges, num_classes),
        edges_true_met=_count(truth, true_met, num_classes),
        edges_found_met=_count(predicted, found_met, num_classes),
    )
    return torch.stack(rows)


def _count(labels: Tensor, where: Tensor, num_classes: int) -> Tensor:
    """Return the pixels of each class among some, shape ``(C,)``."""
    # A class more, for the rest, is much faster than to pick the pixels.
    marked = labels.where(where, num_classes).flatten()
    return torch.bincount(marked, minlength=num_classes + 1)[:num_classes]


def _count_areas(
    truth: Tensor, predicted: Tensor, where: Tensor, num_classes: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return shared, true and found pixels of each class among some."""
    return (
        _count(truth, where & (truth == predicted), num_classes),
        _count(truth, where, num_classes),
        _count(predicted, where, num_classes),
    )


def semantic_quality(
    counts: SemanticCounts,
    background: int | None = None,
    classes_of: ClassesOf = 'official',
) -> dict[str, float]:
    """Return the six metrics; NaN where there is nothing to average.

    Args:
        counts: Counts of a data set, summed over images.
        background: Class without a BF1. Defaults to None.
        classes_of: Classes that IoU is averaged over, see :func:`class_iou`.
            Defaults to 'official'.
    """
    areas = counts.shared, counts.true, counts.found
    near = counts.trimap_shared, counts.trimap_true, counts.trimap_found
    pixels = counts.true.sum()
    # A class that is in neither has no IoU, and no weight.
    weighted = counts.true * class_iou(*areas, 'ground_truth')
    values = dict(
        mIoU=class_iou(*areas, classes_of).nanmean(),
        FWIoU=weighted.nansum() / pixels,
        mAcc=(counts.shared.double() / counts.true).nanmean(),
        gAcc=counts.shared.sum().double() / pixels,
        BIoU=class_iou(*near, classes_of).nanmean(),
        BF1=boundary_f1(counts, background).nanmean(),
    )
    return {name: float(value) for name, value in values.items()}


def class_iou(
    shared: Tensor, true: Tensor, found: Tensor, classes_of: ClassesOf
) -> Tensor:
    """Return the IoU of each class, shape ``(C,)``.

    Args:
        shared: Pixels of the class in both, shape ``(C,)``.
        true: Pixels of the class in the truth.
        found: Pixels of the class in the prediction.
        classes_of: Which classes have one: 'official', those in the truth
            or the prediction; 'ground_truth', those in the truth.
    """
    union = true + found - shared
    iou = shared.double() / union
    scored = true if classes_of == 'ground_truth' else union
    return _only(iou, scored > 0)


def boundary_f1(
    counts: SemanticCounts, background: int | None = None
) -> Tensor:
    """Return the F1 score of each class's edges, shape ``(C,)``.

    Args:
        counts: Summed counts.
        background: Class that has none. Defaults to None.
    """
    # No predicted edge is a precision of 0, as long as there is a true one.
    found = counts.edges_found.clamp(min=1).double()
    true = counts.edges_true.clamp(min=1).double()
    precision = counts.edges_found_met / found
    recall = counts.edges_true_met / true
    both = precision + recall
    f1 = 2 * precision * recall / both.where(both > 0, 1.0)
    scored = counts.edges_true > 0
    if background is not None:
        scored[background] = False
    return _only(f1, scored)


def _only(values: Tensor, where: Tensor) -> Tensor:
    return values.masked_fill(~where, torch.nan)


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
