"""Reading of annotation files."""

from __future__ import annotations

import pytest

from mmada.datasets.coco_panoptic import (
    read_annotations,
    read_categories,
    read_json,
)


def test_no_json(tmp_path):
    (tmp_path / 'gt.json').write_bytes(b'\xff\xfe{')
    with pytest.raises(ValueError, match='gt.json should be JSON'):
        read_json(str(tmp_path / 'gt.json'))
    (tmp_path / 'gt.json').write_text('[]')
    with pytest.raises(ValueError, match='a JSON object, found list'):
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
    message = f'gt.json should have a list as {name}, found {value}'
    with pytest.raises(ValueError, match=message):
        read({name: value}, 'gt.json')
