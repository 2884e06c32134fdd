"""Merging of ADE20K's two maps of an image."""

from __future__ import annotations

import ast
from pathlib import Path

import mmdet
import numpy as np
import pytest
from mmdet.datasets import ADE20KPanopticDataset

from mmada.datasets.ade20k_panoptic import (
    STUFF,
    THINGS,
    ade20k_categories,
    disagreement,
    merge_maps,
)

INFO = ADE20KPanopticDataset.METAINFO
CONVERTER = (
    Path(mmdet.__file__).parent
    / '.mim/tools/dataset_converters/ade20k2coco.py'
)
# The release's classes from 1: wall 1, floor 4, bed 8, window 9, person 13.
# Of the things bed is the first, window the second, person the fourth.
SEMANTIC = np.array(
    [
        [1, 1, 1, 9, 9],
        [1, 8, 8, 8, 0],
        [4, 8, 8, 13, 0],
    ],
    np.uint8,
)
CLASSES = np.array([[0, 0, 0, 0, 0], [0, 1, 1, 4, 0], [4, 1, 1, 4, 0]])
NUMBERS = np.array([[0, 0, 0, 0, 0], [0, 7, 7, 2, 0], [9, 7, 7, 2, 0]])
INSTANCE = np.stack([CLASSES, NUMBERS, 0 * NUMBERS], -1).astype(np.uint8)


@pytest.mark.skipif(not CONVERTER.exists(), reason="mmdet's tools are absent")
def test_the_classes_are_those_of_the_release():
    tree = ast.parse(CONVERTER.read_text())
    original = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign)
        and node.targets[0].id == 'ORIGINAL_CATEGORIES'
    )
    assert [original[c] for c in THINGS] == list(INFO['thing_classes'])
    assert [original[c] for c in STUFF] == list(INFO['stuff_classes'])


def test_things_come_first():
    categories = ade20k_categories()
    assert [c['id'] for c in categories] == list(range(150))
    assert [c['name'] for c in categories] == list(INFO['classes'])
    assert [c['isthing'] for c in categories] == [1] * 100 + [0] * 50


def test_objects_lie_on_stuff_and_areas_are_what_is_seen():
    ids, segments = merge_maps(SEMANTIC, INSTANCE, first_id=50)
    # The window is no object: void. Object 9 covers all of the floor.
    expected = [
        dict(id=50, category_id=3, area=2, bbox=[3, 1, 1, 2], iscrowd=0),
        dict(id=51, category_id=0, area=4, bbox=[1, 1, 2, 2], iscrowd=0),
        dict(id=52, category_id=3, area=1, bbox=[0, 2, 1, 1], iscrowd=0),
        dict(id=53, category_id=100, area=4, bbox=[0, 0, 3, 2], iscrowd=0),
    ]
    assert segments == expected
    assert ids.tolist() == [
        [53, 53, 53, 0, 0],
        [53, 51, 51, 50, 0],
        [52, 51, 51, 50, 0],
    ]


def test_pixels_of_objects_with_another_class():
    assert disagreement(SEMANTIC, INSTANCE) == (2, 7)


@pytest.mark.parametrize(
    ('place', 'value', 'message'),
    [
        ((1, 1, 0), 2, r'object 7 .*one class in 1..100. Found \[1, 2\]'),
        ((2, 0, 0), 101, r'object 9 .*Found \[101\]'),
        ((2, 0, 0), 0, r'object 9 .*Found \[0\]'),
    ],
)
def test_objects_of_no_single_class(place, value, message):
    instance = INSTANCE.copy()
    instance[place] = value
    with pytest.raises(ValueError, match=message):
        merge_maps(SEMANTIC, instance, 1)


def test_maps_that_do_not_fit():
    with pytest.raises(ValueError, match=r'shape \(3, 4, 3\) .*\(3, 5, 3\)'):
        merge_maps(SEMANTIC[:, 1:], INSTANCE, 1)
    with pytest.raises(ValueError, match='classes 0..150. Found 151'):
        merge_maps(SEMANTIC + np.uint8(138), INSTANCE, 1)
