"""Sums over images, averages over groups of classes, and tables, by hand."""

from __future__ import annotations

import math
import random
from fractions import Fraction

import pytest

from mmada.datasets.coco_panoptic import Category
from mmada.evaluation import class_table, group_table, make_report
from mmada.evaluation.class_counts import (
    ClassCounts,
    Quality,
    average_quality,
    class_quality,
    sum_counts,
)
from mmada.evaluation.matching import ImageCounts, Match


def test_quality_of_a_class():
    # IoU 0.6 + 0.9, two false positives and one false negative:
    # PQ = 1.5 / 3.5, SQ = 0.75, RQ = 2 / 3.5.
    found = class_quality(ClassCounts(1.5, 2, 2, 1))
    assert found == pytest.approx((3 / 7, 0.75, 4 / 7, 1))
    assert found.pq == pytest.approx(found.sq * found.rq)


def test_a_class_without_matches_or_segments():
    assert class_quality(ClassCounts(0.0, 0, 3, 1)) == Quality(0, 0, 0, 1)
    assert class_quality(ClassCounts(0.0, 0, 0, 0)) == Quality(0, 0, 0, 1)


def test_average_of_classes():
    found = average_quality(
        [ClassCounts(1.5, 2, 2, 1), ClassCounts(0.0, 0, 1, 0)]
    )
    assert found == pytest.approx((1.5 / 7, 0.375, 2 / 7, 2))


def test_average_of_nothing_is_nan():
    found = average_quality([])
    assert found.n == 0
    assert all(map(math.isnan, found[:3]))


def test_sum_of_images():
    records = [
        ImageCounts(7, (Match(1, 3, 4),), (1, 2), (3,)),
        ImageCounts(9, (Match(1, 3, 5), Match(2, 1, 1)), (), (3,)),
    ]
    assert sum_counts(records, [3, 2, 1, 5]) == {
        3: ClassCounts(0.0, 0, 0, 2),
        2: ClassCounts(1.0, 1, 1, 0),
        1: ClassCounts(0.75 + 0.6, 2, 1, 0),
        5: ClassCounts(0.0, 0, 0, 0),
    }


def test_a_repeated_image_counts_once():
    record = ImageCounts(7, (Match(1, 3, 4),), (1,), (1,))
    assert sum_counts([record, record], [1]) == sum_counts([record], [1])


def test_the_sum_does_not_depend_on_the_order():
    """Naive sums of these differ in the last bits."""
    random.seed(0)
    records = [
        ImageCounts(k, (Match(1, random.randint(500, 999), 997),), (), ())
        for k in range(200)
    ]
    found = set()
    for _ in range(20):
        random.shuffle(records)
        found.add(sum_counts(records, [1])[1].iou)
    exact = sum(
        Fraction(m.intersection / m.union) for r in records for m in r.matches
    )
    assert found == {float(exact)}


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
    with pytest.raises(ValueError, match="`classes_of` .*Found 'all'"):
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
