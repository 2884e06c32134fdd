"""Panoptic quality from counts.

Panoptic quality is segmentation quality times recognition quality::

    PQ = sum(IoU of TP) / (TP + FP / 2 + FN / 2)
    SQ = sum(IoU of TP) / TP
    RQ = TP / (TP + FP / 2 + FN / 2)

(Kirillov et al., CVPR 2019, equations 1 and 2), for each class and then
averaged over classes. All values are in [0, 1].
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mmada.evaluation.matching import ImageCounts


class ClassCounts(NamedTuple):
    """Counts of one class: summed IoU, TP, FP and FN."""

    iou: float
    tp: int
    fp: int
    fn: int

    @property
    def in_truth(self) -> bool:
        """Whether the truth has a segment of the class."""
        return self.tp + self.fn > 0

    @property
    def in_truth_or_predicted(self) -> bool:
        """Whether the reference evaluator averages over the class."""
        return self.tp + self.fp + self.fn > 0


class Quality(NamedTuple):
    """PQ, SQ and RQ, of one class or averaged over ``n`` classes."""

    pq: float
    sq: float
    rq: float
    n: int


def unique_images(records: Iterable[ImageCounts]) -> list[ImageCounts]:
    """Return the first record of each image.

    Samplers repeat images to fill the last batch.

    Args:
        records: Counts of images.
    """
    unique: dict[int | str, ImageCounts] = {}
    for record in records:
        unique.setdefault(record.image_id, record)
    return list(unique.values())


def sum_counts(
    records: Iterable[ImageCounts], categories: Iterable[int]
) -> dict[int, ClassCounts]:
    """Add up images.

    The summed IoU is the correctly rounded sum (``math.fsum``), so it does
    not depend on the order of the images, hence not on how many processes
    counted them.

    Args:
        records: Counts of images. Of two records of an image only the first
            counts.
        categories: All category ids.

    Returns:
        Counts of each category, in the order of ``categories``.
    """
    ious: dict[int, list[float]] = {c: [] for c in categories}
    fp, fn = dict.fromkeys(ious, 0), dict.fromkeys(ious, 0)
    for record in unique_images(records):
        for category, intersection, union in record.matches:
            ious[category].append(intersection / union)
        for category in record.false_positives:
            fp[category] += 1
        for category in record.false_negatives:
            fn[category] += 1
    return {
        c: ClassCounts(math.fsum(ious[c]), len(ious[c]), fp[c], fn[c])
        for c in ious
    }


def class_quality(counts: ClassCounts) -> Quality:
    """Return the quality of one class, zeros if nothing was counted."""
    weight = counts.tp + counts.fp / 2 + counts.fn / 2
    if not weight:
        return Quality(0.0, 0.0, 0.0, 1)
    sq = counts.iou / counts.tp if counts.tp else 0.0
    return Quality(counts.iou / weight, sq, counts.tp / weight, 1)


def average_quality(counts: Sequence[ClassCounts]) -> Quality:
    """Average over classes, NaN if there are none.

    Args:
        counts: Counts of the classes to average over, each with at least one
            segment.
    """
    n = len(counts)
    if not n:
        return Quality(math.nan, math.nan, math.nan, 0)
    values = [class_quality(c) for c in counts]
    pq, sq, rq = (math.fsum(v[k] for v in values) / n for k in range(3))
    return Quality(pq, sq, rq, n)
