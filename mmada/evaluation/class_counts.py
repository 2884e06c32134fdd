"""Counts by class, panoptic quality of all, things and stuff, and tables.

Panoptic quality is segmentation quality times recognition quality::

    PQ = sum(IoU of TP) / (TP + FP / 2 + FN / 2)
    SQ = sum(IoU of TP) / TP
    RQ = TP / (TP + FP / 2 + FN / 2)

(Kirillov et al., CVPR 2019, equations 1 and 2), for each class and then
averaged over classes. All values are in [0, 1].
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from mmengine.logging import print_log

from mmada.datasets.coco_panoptic import Category
from mmada.evaluation.matching import ImageCounts
from mmada.utils.tables import aligned

ClassesOf = Literal['official', 'ground_truth']
GROUPS = ('All', 'Things', 'Stuff')


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


class Report(NamedTuple):
    """Quality of a data set.

    Attributes:
        groups: Averages over 'All', 'Things' and 'Stuff'.
        classes: Quality of each category id.
        counts: Counts of each category id.
        categories: Name and kind of each category id.
    """

    groups: dict[str, Quality]
    classes: dict[int, Quality]
    counts: dict[int, ClassCounts]
    categories: Mapping[int, Category]


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


def check_classes_of(classes_of: str) -> None:
    """Refuse an unknown set of classes.

    Raises:
        ValueError: If it is neither 'official' nor 'ground_truth'.
    """
    if classes_of not in ('official', 'ground_truth'):
        raise ValueError(
            "`classes_of` should be 'official' or 'ground_truth'. "
            f'Found {classes_of!r}.'
        )


def make_report(
    counts: Mapping[int, ClassCounts],
    categories: Mapping[int, Category],
    classes_of: ClassesOf = 'official',
) -> Report:
    """Average counts over all classes, things and stuff.

    Args:
        counts: Counts of each category id.
        categories: Name and kind of each category id.
        classes_of: Classes to average over. 'official', as the reference:
            those in the truth or predicted falsely. 'ground_truth': those in
            the truth, whatever was predicted. Defaults to 'official'.

    Raises:
        ValueError: If ``classes_of`` is something else.
    """
    check_classes_of(classes_of)
    averaged = {
        c: counted
        for c, counted in counts.items()
        if (
            counted.in_truth
            if classes_of == 'ground_truth'
            else counted.in_truth_or_predicted
        )
    }
    groups = {
        name: average_quality(
            [
                counted
                for c, counted in averaged.items()
                if name == 'All' or categories[c].isthing == (name == 'Things')
            ]
        )
        for name in GROUPS
    }
    classes = {c: class_quality(counted) for c, counted in counts.items()}
    return Report(groups, classes, dict(counts), categories)


def warn_of_empty_groups(report: Report) -> None:
    """Point out averages over no class."""
    empty = [name for name, quality in report.groups.items() if not quality.n]
    if empty:
        print_log(
            f'Panoptic quality of {", ".join(empty)} is NaN: no segment of '
            'such a class was counted.',
            logger='current',
            level=logging.WARNING,
        )


def group_table(report: Report) -> str:
    """Return a table of PQ, SQ and RQ in percent over groups of classes."""
    rows = [['', 'PQ', 'SQ', 'RQ', 'classes']]
    for name, quality in report.groups.items():
        rows.append([name, *_percent(quality), str(quality.n)])
    return _format(rows)


def class_table(report: Report) -> str:
    """Return a table of quality and counts of each class."""
    rows = [['class', 'PQ', 'SQ', 'RQ', 'IoU sum', 'TP', 'FP', 'FN']]
    for c, quality in report.classes.items():
        counted = report.counts[c]
        rows.append(
            [
                report.categories[c].name,
                *_percent(quality),
                f'{counted.iou:.3f}',
                str(counted.tp),
                str(counted.fp),
                str(counted.fn),
            ]
        )
    return _format(rows)


def _percent(quality: Quality) -> list[str]:
    return [f'{100 * value:.3f}' for value in quality[:3]]


def _format(rows: Sequence[Sequence[str]]) -> str:
    return '\n'.join('  '.join(cells) for cells in aligned(rows))
