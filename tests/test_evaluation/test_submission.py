"""Files for the evaluation server: written, read again, and broken."""

import json
import zipfile

import numpy as np
import pytest

from mmada.datasets.coco_panoptic import decode_id_map, id_to_rgb, write_png
from mmada.evaluation.submission import (
    SubmissionWriter,
    check_archive,
    check_submission,
    to_segments,
)

CATEGORIES = (3, 5, 92)  # of the classes 0, 1 and 2
IMAGES = [
    dict(id=11, file_name='a/one.jpg', height=2, width=3),
    dict(id=12, file_name='a/two.jpg', height=1, width=2),
]


def test_segments_have_ids_of_their_own():
    labels = np.array([[0, 0, 2001, 3], [1001, 2, 2, 7]])
    ids, segments = to_segments(labels, CATEGORIES, ignore_index=7)
    # 3 is the number of classes, 7 what the model ignores: both are void.
    assert ids.tolist() == [[1, 1, 4, 0], [3, 2, 2, 0]]
    assert segments == [
        dict(id=1, category_id=3, area=2),
        dict(id=2, category_id=92, area=2),
        dict(id=3, category_id=5, area=1),
        dict(id=4, category_id=5, area=1),
    ]


def test_unknown_classes_are_refused():
    with pytest.raises(ValueError, match='label 1004'):
        to_segments(np.array([[1004]]), CATEGORIES, ignore_index=3)


def segment(label, category, area):
    return dict(id=label, category_id=category, area=area)


@pytest.fixture
def written(tmp_path):
    with SubmissionWriter(tmp_path, 'mine', 'test-dev2017') as writer:
        ids = np.array([[1, 1, 0], [2, 2, 2]])
        segments = [segment(1, 3, 2), segment(2, 92, 3)]
        writer.add(11, 'a/one.jpg', ids, segments)
        writer.add(12, 'a/two.jpg', np.array([[1, 1]]), [segment(1, 5, 2)])
        writer.add(12, 'a/two.jpg', np.array([[0, 0]]), [])  # padding
    return writer


def problems(writer):
    return check_submission(
        writer.json_path, writer.folder, IMAGES, CATEGORIES
    )


def test_layout_of_the_server(written, tmp_path):
    stem = 'panoptic_test-dev2017_mine_results'
    content = json.loads((tmp_path / f'{stem}.json').read_text())
    assert content == dict(
        annotations=[
            dict(
                image_id=11,
                file_name='one.png',
                segments_info=[segment(1, 3, 2), segment(2, 92, 3)],
            ),
            dict(
                image_id=12,
                file_name='two.png',
                segments_info=[segment(1, 5, 2)],
            ),
        ]
    )
    ids = decode_id_map((tmp_path / stem / 'one.png').read_bytes())
    assert ids.tolist() == [[1, 1, 0], [2, 2, 2]]
    with zipfile.ZipFile(tmp_path / f'{stem}.zip') as archive:
        assert archive.namelist() == [
            f'{stem}.json',
            f'{stem}/one.png',
            f'{stem}/two.png',
        ]
        assert archive.testzip() is None
    assert problems(written) == []
    files = written.zip_path, written.json_path, written.folder
    assert check_archive(*files) == []


def test_nothing_but_maps_after_an_error(tmp_path):
    with (
        pytest.raises(RuntimeError),
        SubmissionWriter(tmp_path, 'mine', 'val') as writer,
    ):
        raise RuntimeError
    assert not writer.json_path.exists()
    assert not writer.zip_path.exists()


def test_files_of_another_time_are_not_mixed_in(written, tmp_path):
    with pytest.raises(ValueError, match='should be empty or new'):
        SubmissionWriter(tmp_path, 'mine', 'test-dev2017')


def test_maps_of_one_name_are_refused(tmp_path):
    with SubmissionWriter(tmp_path, 'mine', 'val') as writer:
        writer.add(1, 'a/one.jpg', np.array([[0]]), [])
        with pytest.raises(ValueError, match='a second one.png'):
            writer.add(2, 'b/one.jpg', np.array([[0]]), [])


def edit(writer, change):
    content = json.loads(writer.json_path.read_text())
    change(content['annotations'])
    writer.json_path.write_text(json.dumps(content))


def set_segment(key, value):
    return lambda records: records[0]['segments_info'][0].update({key: value})


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda records: records.pop(), '1 images have no record: 12'),
        (
            lambda records: records[0].update(image_id=9),
            '1 records are of other images: 9',
        ),
        (
            lambda records: records[0].update(file_name='no.png'),
            'image 11: the segment map cannot be read',
        ),
        (
            lambda records: records[0].update(file_name='two.png'),
            'image 11: the map is (1, 2), the image (2, 3)',
        ),
        (set_segment('id', 7), 'image 11: ids [2, 7] are listed'),
        (set_segment('category_id', 4), 'image 11: category_id [4]'),
        (set_segment('area', 9), 'image 11: the areas of segments [1]'),
    ],
)
def test_what_the_server_would_refuse_is_found(written, change, message):
    edit(written, change)
    assert any(text.startswith(message) for text in problems(written))


def test_two_records_of_an_image_are_refused(written):
    edit(written, lambda records: records.append(records[0]))
    with pytest.raises(ValueError, match='image 11 .*Found a second'):
        problems(written)


def test_an_area_may_be_left_out(written):
    edit(written, lambda records: records[1]['segments_info'][0].pop('area'))
    assert problems(written) == []


def test_a_map_that_was_changed_is_found(written):
    write_png(written.folder / 'two.png', id_to_rgb(np.array([[1, 3]])))
    found = problems(written)
    assert found[0] == 'image 12: ids [1] are listed, the map has [1, 3]'
    assert found[1].startswith('image 12: the areas of segments [1]')


def test_a_zip_file_that_does_not_fit_is_found(written):
    files = written.zip_path, written.json_path, written.folder
    (written.folder / 'two.png').unlink()
    assert 'should not' in check_archive(*files)[0]
    (written.folder / 'three.png').write_bytes(b'?')
    found = check_archive(*files)
    assert any('lacks files' in text and 'three' in text for text in found)
    written.json_path.write_text('{}')
    assert any('another size' in text for text in check_archive(*files))
