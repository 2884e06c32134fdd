"""Summary of the counts of a data set, and tables of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from mmengine.logging import print_log

from mmada.datasets.coco_panoptic import Category
from mmada.evaluation.averages import (
    ClassCounts,
    Quality,
    average_quality,
    class_quality,
)

ClassesOf = Literal['official', 'ground_truth']
GROUPS = ('All', 'Things', 'Stuff')


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


def check_classes_of(classes_of: str) -> None:
    """Refuse an unknown set of classes.

    Raises:
        ValueError: If it is neither 'official' nor 'ground_truth'.
    """
    if classes_of not in ('official', 'ground_truth'):
        raise ValueError(
            "classes_of should be 'official' or 'ground_truth', "
            f'found {classes_of!r}'
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
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return '\n'.join(
        '  '.join(
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
