"""Pixels of one image, counted for the metrics of semantic segmentation.

The counts are integers: those of a data set are their sums, in any order.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from mmada.evaluation.boundaries import (
    holds_label,
    inner_edges,
    label_sets,
    spread_sets,
)


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
