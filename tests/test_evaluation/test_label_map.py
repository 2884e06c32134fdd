"""Labels of mmdet's panoptic maps."""

from __future__ import annotations

import pytest
from mmdet.evaluation.functional import INSTANCE_OFFSET as MMDET_OFFSET

from mmada.datasets.coco_panoptic import Category
from mmada.evaluation.label_map import (
    INSTANCE_OFFSET,
    label_categories,
    split_labels,
)

CATEGORIES = {
    4: Category('dog', True),
    2: Category('cat', True),
    9: Category('sky', False),
}


def test_the_offset_is_that_of_mmdet():
    assert INSTANCE_OFFSET == MMDET_OFFSET


def test_labels_follow_the_order_of_the_file():
    assert label_categories(('dog', 'cat', 'sky'), CATEGORIES) == [4, 2, 9]
    assert label_categories(('sky', 'cat', 'dog'), CATEGORIES) == [4, 2, 9]
    assert label_categories(('cat', 'sky'), CATEGORIES) == [2, 9]


def test_a_class_that_is_not_in_the_file():
    with pytest.raises(ValueError, match=r"found \['cow'\]"):
        label_categories(('dog', 'cow'), CATEGORIES)


def test_stuff_before_things():
    categories = {9: Category('sky', False), **CATEGORIES}
    with pytest.raises(ValueError, match="things .*before.*found 'sky'"):
        label_categories(('dog', 'cat', 'sky'), categories)


def test_a_thousand_classes():
    categories = {k: Category(str(k), True) for k in range(1000)}
    names = [c.name for c in categories.values()]
    with pytest.raises(ValueError, match='fewer than 1000, found 1000'):
        label_categories(names, categories)
    assert len(label_categories(names[:-1], categories)) == 999


def test_segments_and_void():
    # Three classes: 3 is void, and so is 255 here, with any instance.
    labels = [0, 1, 1000, 2001, 2, 3, 4003, 255]
    categories, void = split_labels(labels, [4, 2, 9], 255)
    assert categories == {0: 4, 1: 2, 1000: 4, 2001: 2, 2: 9}
    assert void == [3, 4003, 255]


def test_an_unknown_class():
    with pytest.raises(ValueError, match='label 2005 .*3 classes.*class 5'):
        split_labels([1, 2005], [4, 2, 9], 255)
