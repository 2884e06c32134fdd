"""Annotation files, and the ids and colours of segment maps."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from mmada.datasets.coco_panoptic import (
    decode_id_map,
    id_to_rgb,
    read_annotations,
    read_categories,
    read_json,
    read_segment_map,
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


IDS = np.array([[0, 3, 300], [70000, 5, 5]])
COLOURS = np.stack([IDS & 255, IDS >> 8 & 255, IDS >> 16], -1).astype(np.uint8)


def encoded(image, kind='PNG', **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def palette():
    colours, indices = np.unique(
        COLOURS.reshape(-1, 3), axis=0, return_inverse=True
    )
    image = Image.fromarray(indices.reshape(IDS.shape).astype(np.uint8), 'P')
    image.putpalette(colours.ravel().tolist())
    return encoded(image)


def transparent():
    alpha = np.where(IDS == 3, 0, 255).astype(np.uint8)
    return encoded(Image.fromarray(np.dstack([COLOURS, alpha])))


def turned():
    """What OpenCV's colour images, but not Pillow's arrays, turn."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(Image.fromarray(COLOURS), exif=exif)


@pytest.mark.parametrize('make', [palette, transparent, turned])
def test_maps_of_other_formats_are_read_as_stored(make):
    np.testing.assert_array_equal(decode_id_map(make()), IDS)


def grey(values):
    return encoded(Image.fromarray(np.array(values).astype(np.uint8)))


def grey_alpha():
    pixels = np.dstack([COLOURS[..., 0], np.full(IDS.shape, 255, np.uint8)])
    return encoded(Image.fromarray(pixels, 'LA'))


def deep(pixels):
    done, data = cv2.imencode('.png', pixels.astype(np.uint16) * 300)
    assert done
    return data.tobytes()


@pytest.mark.parametrize(
    ('data', 'found'),
    [
        (grey(IDS), 'grey values'),
        (grey_alpha(), 'grey values'),
        (deep(IDS), '16 bits'),
        (deep(COLOURS), '16 bits'),
        (encoded(Image.fromarray(COLOURS), 'JPEG'), 'a JPEG file'),
    ],
)
def test_maps_that_cannot_hold_ids(tmp_path, data, found):
    (tmp_path / 'a.png').write_bytes(data)
    with pytest.raises(ValueError, match=f'a.png: .* Found {found}'):
        read_segment_map(str(tmp_path), 'a.png')


def test_a_black_grey_map_is_void():
    np.testing.assert_array_equal(decode_id_map(grey([[0, 0]])), [[0, 0]])


def category(**changes):
    return dict(dict(id=1, name='dog', isthing=1), **changes)


@pytest.mark.parametrize(
    ('value', 'thing'),
    [(1, True), (0, False), (True, True), (False, False), (1.0, True)],
)
def test_things_and_stuff(value, thing):
    content = dict(categories=[category(isthing=value)])
    assert read_categories(content, 'gt.json') == {1: ('dog', thing)}


@pytest.mark.parametrize('value', ['0', '1', 2, -1, None, [], 0.5])
def test_a_flag_that_is_read_differently_elsewhere_is_refused(value):
    content = dict(categories=[category(isthing=value)])
    message = f"'dog', a category of gt.json, .*0 or 1 as isthing.*{value!r}"
    with pytest.raises(ValueError, match=message.replace('[', r'\[')):
        read_categories(content, 'gt.json')


@pytest.mark.parametrize(
    ('categories', 'message'),
    [
        ([category(), category(name='cat')], r'an id each. Found \[1, 1\]'),
        ([category(name=None)], 'text as name. Found None'),
        ([category(id=1.5)], 'an integer as id. Found 1.5'),
    ],
)
def test_categories_that_do_not_fit(categories, message):
    with pytest.raises(ValueError, match=f'gt.json.*{message}'):
        read_categories(dict(categories=categories), 'gt.json')


def test_an_image_with_two_annotations_is_refused():
    entry = dict(image_id=3, file_name='a.png', segments_info=[])
    with pytest.raises(ValueError, match='image 3 of gt.json .*a second'):
        read_annotations(dict(annotations=[entry, entry]), 'gt.json')


def test_a_map_without_a_name_is_refused():
    entry = dict(image_id=3, file_name=None, segments_info=[])
    with pytest.raises(ValueError, match='image 3 .* text as file_name'):
        read_annotations(dict(annotations=[entry]), 'gt.json')
