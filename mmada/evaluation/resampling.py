"""Panoptic quality on resampled images: how far chance in them carries.

The images are drawn with replacement, as many as there are (the bootstrap of
Efron, 1979), and the quality of each draw is that of the drawn list. Two
models that are scored on the same images are scored on the same draws, so
their difference can be looked at draw by draw.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmada.datasets.coco_panoptic import Category
from mmada.evaluation.class_counts import (
    GROUPS,
    ClassesOf,
    check_classes_of,
    unique_images,
)
from mmada.evaluation.matching import ImageCounts

SEED = 0
"""Of the draws: the same for all models, or they could not be compared."""


class _Entries(NamedTuple):
    """Segments one by one: number of the image, of the class, and a value."""

    image: NDArray[np.intp]
    category: NDArray[np.intp]
    value: NDArray[np.float64]

    def sums(self, drawn: NDArray[np.intp], size: int) -> NDArray[np.float64]:
        """Add up the values by class, each image as often as drawn."""
        weights = drawn[self.image] * self.value
        sums = np.bincount(self.category, weights, minlength=size)
        return sums.astype(np.float64, copy=False)


def draw_images(
    num_images: int, num_resamples: int
) -> Iterator[NDArray[np.intp]]:
    """Yield how often each image is drawn, a fixed row of draws.

    Args:
        num_images: N, the number of images and of an array's entries.
        num_resamples: B, the number of draws.
    """
    generator = np.random.default_rng(SEED)
    for _ in range(num_resamples):
        chosen = generator.integers(max(1, num_images), size=num_images)
        yield np.bincount(chosen, minlength=num_images)


def resample_quality(
    records: Iterable[ImageCounts],
    categories: Mapping[int, Category],
    num_resamples: int,
    classes_of: ClassesOf = 'official',
) -> dict[str, NDArray[np.float64]]:
    """Return PQ of all classes, things and stuff on resampled images.

    Nothing here is as large as images times classes times draws.

    Args:
        records: Counts of images. Their order does not matter, and repeated
            images count once.
        categories: Name and kind of each category id.
        num_resamples: B, the number of draws.
        classes_of: Classes to average over, see :func:`make_report`; those
            of each draw by itself.

    Returns:
        B values in [0, 1] by the name of the group, NaN for a draw without
        a class.

    Raises:
        ValueError: If ``classes_of`` is something else.
    """
    check_classes_of(classes_of)
    images = sorted(unique_images(records), key=lambda r: repr(r.image_id))
    matches, wrong, missed = _entries(images, list(categories))
    hits = matches._replace(value=np.ones_like(matches.value))
    size = len(categories)
    things = np.array([c.isthing for c in categories.values()])
    groups = dict(zip(GROUPS, (True | things, things, ~things), strict=True))
    found: dict[str, NDArray[np.float64]] = {
        name: np.empty(num_resamples) for name in GROUPS
    }
    for b, drawn in enumerate(draw_images(len(images), num_resamples)):
        iou, tp, fp, fn = (
            entries.sums(drawn, size)
            for entries in (matches, hits, wrong, missed)
        )
        total = tp + fp / 2 + fn / 2
        quality = np.divide(iou, total, np.zeros(size), where=total > 0)
        scored = tp + fn > 0 if classes_of == 'ground_truth' else total > 0
        for name, group in groups.items():
            values = quality[scored & group]
            found[name][b] = values.mean() if len(values) else np.nan
    return found


def _entries(
    images: Sequence[ImageCounts], categories: Sequence[int]
) -> tuple[_Entries, _Entries, _Entries]:
    """Return matches with their IoU, false positives and negatives."""
    number = {c: k for k, c in enumerate(categories)}
    matches, wrong, missed = [], [], []
    for k, image in enumerate(images):
        for category, intersection, union in image.matches:
            matches.append((k, number[category], intersection / union))
        wrong += [(k, number[c], 1.0) for c in image.false_positives]
        missed += [(k, number[c], 1.0) for c in image.false_negatives]
    return _columns(matches), _columns(wrong), _columns(missed)


def _columns(rows: Sequence[tuple[int, int, float]]) -> _Entries:
    image, category, value = zip(*rows, strict=True) if rows else ((), (), ())
    return _Entries(
        np.array(image, np.intp),
        np.array(category, np.intp),
        np.array(value, np.float64),
    )
