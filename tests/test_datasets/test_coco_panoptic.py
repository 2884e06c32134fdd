"""Annotation files, and the ids and colours of segment maps."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from mmada.datasets.coco_panoptic import (
    decode_id_map,
    id_to_rgb,
    read_annotations,
    read_categories,
    read_json,
    write_png,
)


def test_no_json(tmp_path):
    (tmp_path / 'gt.json').write_bytes(b'\xff\xfe{')
    with pytest.raises(ValueError, match='gt.json should be JSON'):
        read_json(str(tmp_path / 'gt.json'))
    (tmp_path / 'gt.json').write_text('[]')
    with pytest.raises(ValueError, match='a JSON object. Found list'):
        read_json(str(tmp_path / 'gt.json'))


def test_annotations_by_image():
    entry = dict(image_id=3, file_name='a.png', segments_info=[])
    found = read_annotations(dict(annotations=[entry]), 'gt.json')
    assert found == {3: ('a.png', [])}
    for content, field in (
        ({}, 'annotations'),
        (dict(annotations=[dict(image_id=3)]), 'file_name'),
    ):
        with pytest.raises(ValueError, match=f"gt.json .*at '{field}'"):
            read_annotations(content, 'gt.json')


@pytest.mark.parametrize(
    ('read', 'name'),
    [(read_annotations, 'annotations'), (read_categories, 'categories')],
)
@pytest.mark.parametrize('value', [5, None, {}])
def test_what_is_no_list_is_named(read, name, value):
    message = f'gt.json should have a list as {name}. Found {value}'
    with pytest.raises(ValueError, match=message):
        read({name: value}, 'gt.json')


def test_colours_of_ids():
    ids = np.array([[0, 1, 255], [256, 65536, 256**3 - 1]])
    expected = [
        [[0, 0, 0], [1, 0, 0], [255, 0, 0]],
        [[0, 1, 0], [0, 0, 1], [255, 255, 255]],
    ]
    np.testing.assert_array_equal(id_to_rgb(ids), expected)


def test_ids_survive_a_file(tmp_path):
    ids = np.random.default_rng(0).integers(0, 256**3, (13, 7))
    write_png(tmp_path / 'a.png', id_to_rgb(ids))
    found = decode_id_map((tmp_path / 'a.png').read_bytes())
    np.testing.assert_array_equal(found, ids)


def test_red_is_the_lowest_byte_of_a_file(tmp_path):
    """As OpenCV reads it: blue, green, red."""
    write_png(tmp_path / 'a.png', id_to_rgb(np.array([[1 + 2 * 256]])))
    bgr = cv2.imread(str(tmp_path / 'a.png'))
    np.testing.assert_array_equal(bgr, [[[0, 2, 1]]])


@pytest.mark.parametrize('value', [-1, 256**3])
def test_ids_of_more_than_three_bytes(value):
    with pytest.raises(ValueError, match=f'Found .*{value}'):
        id_to_rgb(np.array([[5, value]]))


@pytest.mark.parametrize('data', [b'', b'no image'])
def test_no_image(data):
    with pytest.raises(ValueError, match='should be an image'):
        decode_id_map(data)
