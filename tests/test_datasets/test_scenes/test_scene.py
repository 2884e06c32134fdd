"""Scenes: deterministic, consistent with their truth, and varied."""

from __future__ import annotations

import hashlib
import time
from functools import lru_cache

import numpy as np
import pytest

from mmada.datasets import draw_scene, scene_metainfo, scene_rng
from mmada.datasets.scenes.classes import STUFF, THINGS, scene_categories
from mmada.datasets.scenes.folder import GENERATOR_VERSION
from mmada.datasets.scenes.scene import MIN_AREA, SPLITS, Scene

SIZE = (64, 96)
PINNED = ['cda988cd9e77f65c', '21c616bb77de8d07']
CATEGORIES = {c.id: c for c in THINGS + STUFF}


@lru_cache
def scenes(count: int = 80) -> list[Scene]:
    return [draw_scene(scene_rng(0, 'train', k), SIZE) for k in range(count)]


def digest(scene: Scene) -> str:
    pixels = scene.image.tobytes() + scene.id_map.astype('<i8').tobytes()
    return hashlib.sha256(pixels).hexdigest()[:16]


def test_pixels_are_those_of_this_version_of_the_generator():
    """A change of the digests needs a new GENERATOR_VERSION."""
    found = [digest(s) for s in scenes()[:2]]
    assert (GENERATOR_VERSION, found) == (2, PINNED)


def test_a_scene_depends_on_seed_split_and_index_alone():
    def again(seed: int, split: str, index: int) -> str:
        return digest(draw_scene(scene_rng(seed, split, index), SIZE))

    assert again(0, 'train', 7) == digest(scenes()[7])
    variants = {again(s, p, k) for s in (0, 1) for p in SPLITS for k in (0, 1)}
    assert len(variants) == 12


def test_a_large_seed_is_no_other_image_of_a_small_one():
    """Entropy given as a flat list would make these two the same."""
    first = draw_scene(scene_rng(2**32, 'train', 0), SIZE)
    second = draw_scene(scene_rng(0, 'reward', 0), SIZE)
    assert digest(first) != digest(second)


def test_segments_describe_the_map():
    for scene in scenes():
        ids = {s['id'] for s in scene.segments}
        assert len(ids) == len(scene.segments)
        assert set(np.unique(scene.id_map)) - {0} == ids
        assert all(0 < i < 256**3 for i in ids)
        for segment in scene.segments:
            mask = scene.id_map == segment['id']
            rows, cols = np.nonzero(mask)
            x, y = cols.min(), rows.min()
            width, height = cols.max() + 1 - x, rows.max() + 1 - y
            assert segment['bbox'] == [x, y, width, height]
            assert segment['area'] == mask.sum() >= MIN_AREA
            assert segment['category_id'] in CATEGORIES


def test_stuff_has_one_segment_for_each_class_and_no_crowd():
    for scene in scenes():
        stuff = [
            s for s in scene.segments if not CATEGORIES[s['category_id']][2]
        ]
        assert len({s['category_id'] for s in stuff}) == len(stuff)
        assert not any(s['iscrowd'] for s in stuff)


def test_scenes_are_varied():
    segments = [s for scene in scenes() for s in scene.segments]
    assert {s['category_id'] for s in segments} == set(CATEGORIES)
    things = [
        s
        for s in segments
        if CATEGORIES[s['category_id']].isthing and not s['iscrowd']
    ]
    areas = np.array([s['area'] for s in things]) / np.prod(SIZE)
    assert areas.min() < 0.003
    assert areas.max() > 0.1
    void = [np.mean(s.id_map == 0) for s in scenes()]
    assert 0.2 < np.mean([v > 0 for v in void]) < 0.9
    assert max(void) < 0.3
    crowds = [any(s['iscrowd'] for s in x.segments) for x in scenes()]
    assert 0.05 < np.mean(crowds) < 0.4


def test_things_of_one_class_touch_each_other():
    """So that a semantic map alone cannot tell instances apart."""
    touching = 0
    for scene in scenes():
        kind = {
            s['id']: s['category_id']
            for s in scene.segments
            if CATEGORIES[s['category_id']].isthing
        }
        left, right = scene.id_map[:, :-1], scene.id_map[:, 1:]
        pairs = set(zip(left.ravel(), right.ravel(), strict=True))
        touching += any(
            a != b and kind.get(a, -1) == kind.get(b, -2) for a, b in pairs
        )
    assert touching > 0.3 * len(scenes())


@pytest.mark.parametrize(('first', 'second'), [(11, 12), (13, 14)])
def test_paired_stuff_has_the_same_mean_colour_and_another_texture(
    first, second
):
    (color1, steps1), (color2, steps2) = map(look_of, (first, second))
    assert np.abs(color1 - color2).max() < 10
    assert np.abs(np.log(steps1 / steps2)).max() > np.log(1.3)


def look_of(category):
    """Mean colour, and mean steps between pixels, down and across."""
    colors, steps = [], []
    for scene in scenes():
        ids = [
            s['id']
            for s in scene.segments
            if s['category_id'] == category and s['area'] > 200
        ]
        mask = np.isin(scene.id_map, ids)
        if not mask.any():
            continue
        image = scene.image.astype(float)
        colors.append(image[mask].mean(axis=0))
        down = np.abs(np.diff(image, axis=0))[mask[1:] & mask[:-1]]
        across = np.abs(np.diff(image, axis=1))[mask[:, 1:] & mask[:, :-1]]
        steps.append([down.mean(), across.mean()])
    return np.mean(colors, axis=0), np.mean(steps, axis=0)


@pytest.mark.parametrize('size', [(96, 64), (96, 128), (240, 320)])
def test_other_sizes(size):
    scene = draw_scene(scene_rng(0, 'test', 0), size)
    assert scene.image.shape == (*size, 3)
    assert scene.image.dtype == np.uint8
    assert scene.id_map.shape == size


def test_min_radius_leaves_out_small_things():
    """Only a thing that is cut or covered may show less than its size."""

    def median_area(min_radius: float) -> float:
        return np.median(
            [
                s['area']
                for k in range(40)
                for s in draw_scene(
                    scene_rng(0, 'train', k), SIZE, min_radius
                ).segments
                if CATEGORIES[s['category_id']].isthing
            ]
        )

    assert median_area(8.0) > 2 * median_area(2.5)


def test_bad_arguments():
    with pytest.raises(ValueError, match=r'size.*\(63, 96\)'):
        draw_scene(scene_rng(0, 'train', 0), (63, 96))
    with pytest.raises(ValueError, match="`split` .*'val'"):
        scene_rng(0, 'val', 0)


def test_metainfo_lists_things_first_in_the_order_of_the_categories():
    info = scene_metainfo()
    categories = scene_categories()
    assert info['classes'] == tuple(c['name'] for c in categories)
    assert info['classes'] == info['thing_classes'] + info['stuff_classes']
    assert len(info['thing_classes']) == len(info['stuff_classes']) == 4
    assert [c['isthing'] for c in categories] == [1] * 4 + [0] * 4
    # Not contiguous, so that labels taken for category ids show up.
    assert [c['id'] for c in categories] != list(range(1, 9))


def test_a_hundred_scenes_a_second():
    def seconds() -> float:
        start = time.process_time()
        for k in range(25):
            draw_scene(scene_rng(1, 'train', k), (96, 128))
        return time.process_time() - start

    assert min(seconds() for _ in range(4)) < 0.25
