"""Which images and classes differ between two models, from counts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmada.datasets.coco_panoptic import Category
from mmada.evaluation.class_counts import Report, make_report, sum_counts
from mmada.evaluation.matching import ImageCounts

Counts = Mapping[int | str, ImageCounts]
"""Counts of a model by image."""

_DRAWS = 500
_TAIL = 2.5


class Change(NamedTuple):
    """Quality of one image or class, in percent."""

    key: int | str
    baseline: float
    ours: float

    @property
    def difference(self) -> float:
        """Ours minus baseline."""
        return self.ours - self.baseline


def summarise(counts: Counts, categories: Mapping[int, Category]) -> Report:
    """Return the quality of a model on all images."""
    return make_report(sum_counts(counts.values(), categories), categories)


def image_changes(
    baseline: Counts, ours: Counts, categories: Mapping[int, Category]
) -> list[Change]:
    """Return PQ of each image that both models have seen.

    The quality of one image is averaged over the classes that are in its
    truth or that the model predicts falsely.
    """
    return [
        Change(
            image,
            *(_image_quality(c[image], categories) for c in (baseline, ours)),
        )
        for image in baseline
        if image in ours
    ]


def most_changed(changes: Sequence[Change], number: int) -> list[Change]:
    """Choose the largest gains and losses, half and half.

    Where there are fewer of the one kind, more of the other are taken.

    Args:
        changes: Of all images.
        number: How many to choose.

    Returns:
        The largest gain first, the largest loss last.
    """
    known = [c for c in changes if math.isfinite(c.difference)]
    ranked = sorted(known, key=lambda c: -c.difference)
    gains = sum(c.difference > 0 for c in ranked)
    losses = len(ranked) - gains
    first = min(gains, max(number - number // 2, number - losses))
    last = min(losses, number - first)
    return [*ranked[:first], *ranked[len(ranked) - last :]]


def class_changes(baseline: Report, ours: Report) -> list[Change]:
    """Return PQ of each class that is in the truth, largest gain first."""
    found = [
        Change(c, 100 * baseline.classes[c].pq, 100 * ours.classes[c].pq)
        for c in ours.classes
        if ours.counts[c].in_truth
    ]
    return sorted(found, key=lambda c: -c.difference)


def difference_interval(
    baseline: Counts, ours: Counts, categories: Mapping[int, Category]
) -> tuple[float, float]:
    """Return a 95% interval of the difference in PQ, in percent.

    Images are drawn with replacement, the same for both models. Another
    seed of the trainings is not part of it.
    """
    images = [image for image in baseline if image in ours]
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(
        len(images), np.full(len(images), 1 / len(images)), _DRAWS
    )
    first, second = (
        _quality(drawn @ _matrix([counts[i] for i in images], categories))
        for counts in (baseline, ours)
    )
    low, high = np.nanpercentile(second - first, [_TAIL, 100 - _TAIL])
    return float(low), float(high)


def _image_quality(
    counts: ImageCounts, categories: Mapping[int, Category]
) -> float:
    report = make_report(sum_counts([counts], categories), categories)
    return 100 * report.groups['All'].pq


def _matrix(
    records: Sequence[ImageCounts], categories: Mapping[int, Category]
) -> NDArray[np.float64]:
    """Return summed IoU, TP, FP and FN, (images, 4 x classes)."""
    rows = [list(sum_counts([r], categories).values()) for r in records]
    return np.array(rows, dtype=np.float64).reshape(len(records), -1)


def _quality(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return PQ in percent of counts (draws, 4 x classes)."""
    iou, tp, fp, fn = np.moveaxis(sums.reshape(len(sums), -1, 4), -1, 0)
    weight = tp + fp / 2 + fn / 2
    counted = weight > 0
    values = np.divide(iou, weight, out=np.zeros_like(iou), where=counted)
    return 100 * values.sum(1) / counted.sum(1)
