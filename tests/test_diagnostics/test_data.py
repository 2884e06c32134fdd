"""Checks of a panoptic data set as functions, on what is worked out by hand.

Each kind of fault in a data set on disk is in test_tools/test_check_data.py.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mmada.diagnostics.data import (
    Fault,
    ImageEntry,
    Segment,
    Tally,
    check_annotated,
    check_apart,
    check_categories,
    check_files,
    check_map,
    check_segments,
    check_sizes,
    parse_image,
    parse_segments,
)
from mmada.diagnostics.data.images import measure_segments

THINGS = {1: True, 2: True, 9: False}
IDS = np.array(
    [
        [5, 5, 0, 7],
        [5, 0, 7, 7],
    ]
)


def test_area_and_box_of_each_segment():
    assert measure_segments(IDS) == {
        5: (3, (0, 0, 2, 2)),
        7: (3, (2, 0, 2, 2)),
    }


@given(
    arrays(
        np.int32,
        st.tuples(*2 * [st.integers(1, 7)]),
        elements=st.integers(0, 3),
    )
)
def test_areas_and_boxes_are_those_of_masks(ids):
    expected = {}
    for label in set(ids.ravel().tolist()) - {0}:
        rows, columns = np.nonzero(ids == label)
        x, y = columns.min(), rows.min()
        size = columns.max() - x + 1, rows.max() - y + 1
        expected[label] = len(rows), (x, y, *size)
    assert measure_segments(ids) == expected


def test_a_map_and_what_is_listed():
    listed = [
        Segment(5, 1, 4, (0, 0, 2, 2), 0),
        Segment(8, 1, 3, (2, 0, 2, 2), 0),
    ]
    assert check_map(3, IDS, listed) == [
        ('unlisted_id', 'image 3: id 7'),
        ('wrong_area', 'image 3: segment 5, 4 stated, 3 in the map'),
        ('no_pixels', 'image 3: segment 8'),
    ]
    good = [
        Segment(5, 1, 3.0, (0.0, 0.0, 2.0, 2.0), 0),
        Segment(7, 1, 3, (2, 0, 2, 2), 1),
    ]
    assert check_map(3, IDS, good) == []


@pytest.mark.parametrize(
    ('image', 'map_', 'expected'),
    [
        ((2, 4), (2, 4), []),
        (None, None, []),
        ((4, 2), (2, 4), ['image_size', 'map_size']),
        ((4, 2), (4, 2), ['image_size']),
        ((2, 4), (4, 2), ['map_size']),
        (None, (4, 2), ['map_size']),
    ],
)
def test_sizes(image, map_, expected):
    found = check_sizes(1, (2, 4), image, map_)
    assert [fault.kind for fault in found] == expected


def test_a_crowd_of_each_category_is_fine():
    box = (0, 0, 5, 5)
    segments = [
        Segment(1, 1, 9, box, 1),
        Segment(2, 2, 9, box, 1),
        Segment(3, 1, 9, box, 0),
    ]
    assert check_segments(0, segments, THINGS) == []
    assert check_segments(0, segments[:2], THINGS) == [
        ('no_things', 'image 0')
    ]


@pytest.mark.parametrize(
    ('info', 'wrong'),
    [
        (None, 'everything'),
        (dict(category_id=1, area=1, bbox=[0, 0, 1, 1]), 'id'),
        (dict(id='5', category_id=1, area=1, bbox=[0, 0, 1, 1]), 'id'),
        (dict(id=5, category_id=1, area=None, bbox=[0, 0, 1, 1]), 'area'),
        (dict(id=5, category_id=1, area=1, bbox=[0, 0, 1]), 'bbox'),
        (dict(id=5, category_id=1, area=1, bbox=[0, 0, 1, 'x']), 'bbox'),
    ],
)
def test_fields_of_a_segment(info, wrong):
    good = dict(id=5, category_id=1, area=1, bbox=[0, 0, 1, 1])
    segments, faults = parse_segments(4, [good, info])
    assert segments == [Segment(5, 1, 1, (0, 0, 1, 1), 0)]
    where = f'image 4: {wrong} of segment 1 of the list'
    assert faults == [('bad_fields', where)]
    assert parse_segments(4, None)[1] == [
        ('bad_fields', 'image 4: segments_info')
    ]


def test_fields_of_an_image():
    entry = dict(id='a', file_name='a.jpg', height=2, width=4)
    assert parse_image(entry, 0) == ImageEntry('a', 'a.jpg', 2, 4)
    for name in entry:
        found = parse_image(dict(entry, **{name: None}), 7)
        assert found == Fault('bad_fields', f'entry 7 of images: {name}')


def test_images_and_annotations_belong_together():
    assert check_annotated([1, 2, 3], [2, 3, 3, 8]) == [
        ('no_annotation', 'image 1'),
        ('no_image', 'image_id 8'),
        ('duplicate_annotation', 'image 3'),
    ]


def test_files_and_entries_belong_together():
    assert check_files('map', ['a', 'b'], {'b', 'c'}) == [
        ('missing_map', 'a'),
        ('extra_map', 'c'),
    ]


def categories(*names, stuff=()):
    return [
        dict(id=k, name=name, isthing=int(name not in stuff))
        for k, name in enumerate(names)
    ]


def test_one_class_more_is_no_other_order():
    metainfo = dict(classes=('a', 'b', 'c'))
    assert check_categories(categories('a', 'x', 'b', 'c'), metainfo) == [
        ('extra_class', 'x')
    ]
    assert check_categories(categories('b', 'c'), metainfo) == [
        ('missing_class', 'a')
    ]
    found = check_categories(categories('a', 'c', 'b'), metainfo)
    assert [fault.kind for fault in found] == ['class_order', 'class_order']


def test_things_behind_stuff():
    mixed = categories('a', 's', 'b', 't', 'c', stuff='st')
    assert check_categories(mixed) == [
        ('things_first', 'b behind s'),
        ('things_first', 'c behind s'),
    ]
    assert check_categories([]) == [('bad_fields', 'there are no categories')]


def test_images_in_both():
    assert check_apart({'a', 'b'}, {'b', 'c'}, ('train', 'val')) == [
        ('overlap', 'b in train and val')
    ]
    assert check_apart({'a'}, {'b'}, ('train', 'val')) == []


def test_all_are_counted_and_the_first_kept():
    tally = Tally(examples=2)
    tally.add(Fault('no_pixels', str(k)) for k in range(5))
    tally.add([Fault('extra_map', 'a')])
    assert tally.counts == dict(no_pixels=5, extra_map=1)
    assert tally.examples == dict(no_pixels=['0', '1'], extra_map=['a'])
    assert tally.of('error') == ['no_pixels']
    assert tally.of('warning') == ['extra_map']
