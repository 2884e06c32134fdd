"""The truth of a data set, and labels of mmdet's panoptic maps."""

from __future__ import annotations

import json

import numpy as np
import pytest
from mmdet.evaluation.functional import INSTANCE_OFFSET as MMDET_OFFSET

from mmada.datasets import coco_panoptic
from mmada.datasets.coco_panoptic import Category, id_to_rgb, write_png
from mmada.datasets.segment_map import to_segment_map
from mmada.evaluation.coco_truth import (
    INSTANCE_OFFSET,
    CocoTruth,
    label_categories,
    split_labels,
    wrong_areas,
)
from mmada.evaluation.matching import count_image

CONTENT = dict(
    annotations=[
        dict(
            image_id=3,
            file_name='a.png',
            segments_info=[
                dict(id=256, category_id=9, area=2, iscrowd=1),
                dict(id=70000, category_id=4, area=5),
            ],
        )
    ],
    categories=[
        dict(id=9, name='dog', isthing=1),
        dict(id=4, name='sky', isthing=0),
    ],
)


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / 'gt.json'
        path.write_text(json.dumps(content))
        ids = np.array([[256, 256, 0], [70000, 70000, 8]])
        write_png(tmp_path / 'a.png', id_to_rgb(ids))
        return str(path), str(tmp_path)

    return write


def test_truth_of_an_image(write):
    truth = CocoTruth(*write(CONTENT))
    assert truth.categories == {9: ('dog', True), 4: ('sky', False)}
    assert truth[3].listed == {256: (9, 2, True), 70000: (4, 5, False)}
    assert truth[3].segments.labels.tolist() == [0, 8, 256, 70000]
    assert wrong_areas(truth[3]) == [70000]


def test_a_map_is_read_once(write, monkeypatch):
    truth = CocoTruth(*write(CONTENT))
    first = truth[3]
    monkeypatch.setattr(coco_panoptic, 'get', None)
    assert truth[3] is first


def test_of_two_segments_of_an_id_the_last_counts(write):
    """As in the reference, which puts them into a dict."""
    content = json.loads(json.dumps(CONTENT))
    content['annotations'][0]['segments_info'].append(
        dict(id=256, category_id=4, area=1, iscrowd=0)
    )
    assert CocoTruth(*write(content))[3].listed[256] == (4, 1, False)


def test_a_fractional_area_stays_one(write):
    """As in the reference, whose union takes it as it is."""
    content = change([*SEGMENT, 'area'], 2.75)
    truth = CocoTruth(*write(content))[3]
    assert truth.listed[70000].area == 2.75
    assert wrong_areas(truth) == [70000]
    predicted = to_segment_map(np.array([[9, 9, 9], [7, 7, 9]]))
    counts = count_image(3, truth, predicted, {7: 4, 9: 9})
    # Two pixels are shared: 2 of the prediction + 2.75 - 2.
    assert counts.matches == ((4, 2, 2.75),)


def test_a_whole_area_is_an_integer(write):
    listed = CocoTruth(*write(change([*SEGMENT, 'area'], 2.0)))[3].listed
    assert [type(s.area) for s in listed.values()] == [int, int]


GONE = object()


def change(path, value):
    content = json.loads(json.dumps(CONTENT))
    target = content
    for key in path[:-1]:
        target = target[key]
    if value is GONE:
        del target[path[-1]]
    else:
        target[path[-1]] = value
    return content


SEGMENT = ('annotations', 0, 'segments_info', 1)


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ([], r'gt.json should be a JSON object: { should .*Found \['),
        (change(['categories'], GONE), "gt.json .*categories.*'categories'"),
        (change(['categories'], []), 'gt.json .*categories. Found none'),
        (change(['categories', 0, 'isthing'], GONE), "isthing.*'isthing'"),
        (change(['annotations'], GONE), "gt.json .*at 'annotations'"),
        (change(['annotations', 0, 'file_name'], GONE), "at 'file_name'"),
        (change(['annotations', 0, 'image_id'], 5), 'image 3 .*one of the 1'),
        (change([*SEGMENT, 'area'], GONE), "image 3: .*'area'. Found"),
        (
            change([*SEGMENT, 'category_id'], 7),
            'image 3: .*segment 70000 .*Found 7',
        ),
    ],
)
def test_files_that_do_not_fit(write, content, message):
    paths = write(content)
    with pytest.raises(ValueError, match=message):
        CocoTruth(*paths)[3]


LIST = r'gt.json should have a list as'
INTEGER = r'of .*gt.json should have an integer as'


@pytest.mark.parametrize(
    ('path', 'value', 'message'),
    [
        (['categories'], 5, f'{LIST} categories. Found 5'),
        (['categories'], None, f'{LIST} categories. Found None'),
        (['categories'], {}, f'{LIST} categories. Found {{}}'),
        (['categories', 0, 'id'], 'x', f"a category {INTEGER} id. Found 'x'"),
        (['categories', 0, 'id'], None, f'{INTEGER} id. Found None'),
        (['annotations'], 5, f'{LIST} annotations. Found 5'),
        (['annotations'], None, f'{LIST} annotations. Found None'),
        (['annotations'], {}, f'{LIST} annotations. Found {{}}'),
        (
            ['annotations', 0, 'image_id'],
            [1],
            r'gt.json should have an integer or a string as image_id. '
            r'Found \[1\]',
        ),
        (
            ['annotations', 0, 'segments_info'],
            5,
            f'image 3 of .*{LIST} segments_info. Found 5',
        ),
        (SEGMENT, 5, 'image 3: a segment of .*gt.json .*an object. Found 5'),
        ([*SEGMENT, 'id'], 'x', f"segment {INTEGER} id. Found 'x'"),
        (
            [*SEGMENT, 'category_id'],
            None,
            f'image 3: a segment {INTEGER} category_id. Found None',
        ),
        ([*SEGMENT, 'area'], [2], r'have a number as area. Found \[2\]'),
        ([*SEGMENT, 'area'], None, 'have a number as area. Found None'),
        ([*SEGMENT, 'area'], float('nan'), 'a number as area. Found nan'),
        ([*SEGMENT, 'id'], 1.5, f'segment {INTEGER} id. Found 1.5'),
        ([*SEGMENT, 'iscrowd'], 'x', f"{INTEGER} iscrowd. Found 'x'"),
    ],
)
def test_members_of_another_kind_are_named(write, path, value, message):
    paths = write(change(path, value))
    with pytest.raises(ValueError, match=message):
        CocoTruth(*paths)


def test_missing_files(write, tmp_path):
    with pytest.raises(FileNotFoundError, match='none.json'):
        CocoTruth(str(tmp_path / 'none.json'), str(tmp_path))
    truth = CocoTruth(write(CONTENT)[0], str(tmp_path / 'none'))
    with pytest.raises(FileNotFoundError, match='none/a.png'):
        truth[3]


def test_a_damaged_map(write, tmp_path):
    truth = CocoTruth(*write(CONTENT))
    data = (tmp_path / 'a.png').read_bytes()
    (tmp_path / 'a.png').write_bytes(data[:-20])
    with pytest.raises(ValueError, match='a.png: .*should be an image'):
        truth[3]


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
    with pytest.raises(ValueError, match=r"Found \['cow'\]"):
        label_categories(('dog', 'cow'), CATEGORIES)


def test_stuff_before_things():
    categories = {9: Category('sky', False), **CATEGORIES}
    with pytest.raises(ValueError, match="Things .*before.*Found 'sky'"):
        label_categories(('dog', 'cat', 'sky'), categories)


def test_classes_that_are_a_text():
    with pytest.raises(ValueError, match="a tuple of names. Found 'dog'"):
        label_categories('dog', CATEGORIES)


@pytest.mark.parametrize('classes', [('dog', 'sky', 'sky'), ('dog', 'dog')])
def test_a_class_that_is_there_twice(classes):
    with pytest.raises(ValueError, match='each category .* once'):
        label_categories(classes, CATEGORIES)


def test_a_category_of_the_name_of_another():
    categories = {**CATEGORIES, 10: Category('sky', False)}
    with pytest.raises(ValueError, match=r"and \['dog', 'sky', 'sky'\]"):
        label_categories(('dog', 'sky'), categories)


def test_a_thousand_classes():
    categories = {k: Category(str(k), True) for k in range(1000)}
    names = [c.name for c in categories.values()]
    with pytest.raises(ValueError, match='fewer than 1000. Found 1000'):
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
