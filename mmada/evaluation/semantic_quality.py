"""Metrics of semantic segmentation from counts, all in [0, 1].

Per class, with 0 / 0 = NaN for a class that there is nothing of::

    IoU  = shared / (true + found - shared)
    BIoU = the same within the trimap
    Acc  = shared / true
    BF1  = 2 P R / (P + R),  P = edges_found_met / edges_found,
                             R = edges_true_met / edges_true

mIoU, BIoU, mAcc and BF1 are averages over the classes that are not NaN;
FWIoU weighs IoU by the true share of the class; gAcc is the share of pixels
that are right.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mmada.evaluation.report import ClassesOf
from mmada.evaluation.semantic_counts import SemanticCounts


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


def _only(values: Tensor, where: Tensor) -> Tensor:
    return values.masked_fill(~where, torch.nan)
