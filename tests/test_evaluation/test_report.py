"""Groups of classes, and tables."""

from __future__ import annotations

import math

import pytest

from mmada.datasets.coco_panoptic import Category
from mmada.evaluation import class_table, group_table, make_report
from mmada.evaluation.averages import ClassCounts

CATEGORIES = {
    3: Category('cat', True),
    5: Category('dog', True),
    8: Category('sky', False),
    9: Category('sea', False),
}
COUNTS = {
    3: ClassCounts(0.8, 1, 0, 0),
    5: ClassCounts(0.0, 0, 2, 0),
    8: ClassCounts(0.6, 1, 0, 2),
    9: ClassCounts(0.0, 0, 0, 0),
}


def test_official_classes_are_in_the_truth_or_predicted():
    groups = make_report(COUNTS, CATEGORIES).groups
    assert groups['Things'] == pytest.approx((0.4, 0.4, 0.5, 2))
    assert groups['Stuff'] == pytest.approx((0.3, 0.6, 0.5, 1))
    assert groups['All'] == pytest.approx((1.1 / 3, 1.4 / 3, 0.5, 3))


def test_classes_of_the_truth_do_not_depend_on_predictions():
    groups = make_report(COUNTS, CATEGORIES, 'ground_truth').groups
    assert groups['Things'] == pytest.approx((0.8, 0.8, 1.0, 1))
    assert groups['Stuff'] == pytest.approx((0.3, 0.6, 0.5, 1))
    assert groups['All'] == pytest.approx((0.55, 0.7, 0.75, 2))


def test_a_group_without_classes_is_nan():
    counts = dict(COUNTS, **{})
    counts[8] = ClassCounts(0.0, 0, 0, 0)
    groups = make_report(counts, CATEGORIES).groups
    assert groups['Stuff'].n == 0
    assert math.isnan(groups['Stuff'].pq)
    assert groups['All'] == groups['Things']


def test_unknown_classes_of():
    with pytest.raises(ValueError, match="classes_of .*found 'all'"):
        make_report(COUNTS, CATEGORIES, 'all')


def test_tables():
    report = make_report(COUNTS, CATEGORIES)
    assert [line.split() for line in group_table(report).splitlines()] == [
        ['PQ', 'SQ', 'RQ', 'classes'],
        ['All', '36.667', '46.667', '50.000', '3'],
        ['Things', '40.000', '40.000', '50.000', '2'],
        ['Stuff', '30.000', '60.000', '50.000', '1'],
    ]
    lines = class_table(report).splitlines()
    assert lines[0].split() == (
        ['class', 'PQ', 'SQ', 'RQ', 'IoU', 'sum', 'TP', 'FP', 'FN']
    )
    assert lines[3].split() == (
        ['sky', '30.000', '60.000', '50.000', '0.600', '1', '0', '2']
    )
    assert len(lines) == 5
    assert len({len(line) for line in lines}) == 1
