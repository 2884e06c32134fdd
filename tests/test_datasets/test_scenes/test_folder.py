"""Folders of scenes: complete or absent, made once, refused if different."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from mmada.datasets import SceneOptions, draw_scene, make_scenes, scene_rng
from mmada.datasets.scenes import folder as module

SMALL = SceneOptions(num=dict(train=3, reward=1, test=2), seed=5)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp('data') / 'deep' / 'scenes'
    assert make_scenes(out, SMALL)
    return out


def contents(folder):
    return {
        p.relative_to(folder): p.read_bytes()
        for p in folder.rglob('*')
        if p.is_file()
    }


def test_files_hold_the_scenes(folder):
    names = {str(p) for p in contents(folder)}
    assert len(names) == 1 + 3 + 2 * 6
    content = json.loads(
        (folder / 'annotations/panoptic_train.json').read_text()
    )
    assert [i['id'] for i in content['images']] == [0, 1, 2]
    for k, annotation in enumerate(content['annotations']):
        scene = draw_scene(scene_rng(5, 'train', k), (64, 96))
        name = content['images'][k]['file_name']
        assert annotation['image_id'] == k
        assert annotation['segments_info'] == scene.segments
        image = cv2.imread(str(folder / 'train' / name))
        np.testing.assert_array_equal(image[:, :, ::-1], scene.image)
        path = folder / 'annotations/panoptic_train' / annotation['file_name']
        b, g, r = cv2.imread(str(path)).astype(int).transpose(2, 0, 1)
        ids = r + 256 * g + 65536 * b
        np.testing.assert_array_equal(ids, scene.id_map)


def test_images_of_two_splits_have_no_id_in_common(folder):
    ids = [
        image['id']
        for path in sorted((folder / 'annotations').glob('*.json'))
        for image in json.loads(path.read_text())['images']
    ]
    assert sorted(ids) == [0, 1, 2, 10**6, 2 * 10**6, 2 * 10**6 + 1]


def test_same_options_give_the_same_bytes(folder, tmp_path):
    make_scenes(tmp_path / 'again', SMALL)
    assert contents(tmp_path / 'again') == contents(folder)


def test_more_images_begin_with_the_same_ones(folder, tmp_path):
    make_scenes(tmp_path / 'more', SceneOptions(num=dict(train=4), seed=5))
    for path, data in contents(folder).items():
        if path.suffix == '.png' and 'train' in str(path):
            assert (tmp_path / 'more' / path).read_bytes() == data


def test_a_second_call_changes_nothing(folder):
    before = folder.stat().st_mtime_ns, contents(folder)
    assert not make_scenes(folder, SMALL)
    assert (folder.stat().st_mtime_ns, contents(folder)) == before


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(seed=6), 'seed 5 in place of 6'),
        (dict(size=(64, 100)), r'size \[64, 96\] in place of \[64, 100\]'),
        (dict(num=dict(train=3)), r"num {.*} in place of {'train': 3}"),
        (dict(min_radius=5.0), 'min_radius 2.5 in place of 5.0'),
    ],
)
def test_scenes_of_other_options_are_refused(folder, options, message):
    values = dict(num=SMALL.num, seed=SMALL.seed) | options
    before = contents(folder)
    with pytest.raises(ValueError, match=message):
        make_scenes(folder, SceneOptions(**values))
    assert contents(folder) == before


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / 'thesis.tex').write_text('precious')
    with pytest.raises(ValueError, match='Found something else'):
        make_scenes(tmp_path, SMALL)
    assert [p.name for p in tmp_path.iterdir()] == ['thesis.tex']
    file = tmp_path / 'thesis.tex'
    with pytest.raises(ValueError, match='Found something else'):
        make_scenes(file, SMALL)


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / 'out').mkdir()
    assert make_scenes(tmp_path / 'out', SMALL)
    assert not make_scenes(tmp_path / 'out', SMALL)


def test_a_failure_on_the_way_leaves_nothing(tmp_path, monkeypatch):
    written = []

    def fail_at_the_fifth(path, rgb):
        written.append(path)
        if len(written) == 5:
            raise OSError(28, 'No space left on device', str(path))

    monkeypatch.setattr(module, 'write_png', fail_at_the_fifth)
    with pytest.raises(OSError, match='No space left'):
        make_scenes(tmp_path / 'out', SMALL)
    assert len(written) == 5
    assert list(tmp_path.iterdir()) == []


def test_two_makers_of_one_folder(tmp_path, monkeypatch):
    """The slower one finds the folder there when it has finished."""
    original = module._write_split

    def other_is_faster(root, split, options):
        original(root, split, options)
        if split == 'test':
            monkeypatch.setattr(module, '_write_split', original)
            assert make_scenes(tmp_path / 'out', options)

    monkeypatch.setattr(module, '_write_split', other_is_faster)
    assert not make_scenes(tmp_path / 'out', SMALL)
    assert [p.name for p in tmp_path.iterdir()] == ['out']


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(size=(32, 32)), r'`size` .*Found \(32, 32\)'),
        (dict(num=dict(val=3)), r"`num` .*Found \['val'\]"),
        (dict(num={}), '`num` .*Found none'),
        (dict(num=dict(train=0)), r'`num` .*in 1\.\.1000000'),
        (dict(num=dict(train=10**6 + 1)), 'Found {.*1000001}'),
        (dict(seed=-1), '`seed` .*Found -1'),
        (dict(min_radius=0.0), '`min_radius` .*Found 0.0'),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(ValueError, match=message):
        SceneOptions(**options)
