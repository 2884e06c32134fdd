"""Segments of CamVid's maps of classes."""

from __future__ import annotations

import numpy as np
import pytest

from mmada.datasets.camvid_panoptic import (
    MAX_SEGMENTS,
    camvid_categories,
    camvid_segments,
)

SKY, ROAD, CAR, PEDESTRIAN, UNLABELLED = 0, 3, 8, 9, 11


def draw():
    """A map of 32x24, a hundredth of the size that areas are given for."""
    classes = np.full((24, 32), ROAD, np.uint8)
    classes[:8] = SKY
    classes[10:12, 2:5] = CAR  # 6 pixels
    classes[12:14, 5:8] = CAR  # joined by a corner
    classes[10:12, 20:23] = CAR
    classes[20, 2:7] = PEDESTRIAN  # 5 pixels, touching nothing of its class
    classes[23, 30:] = UNLABELLED
    return classes


def names(segments):
    return [camvid_categories()[s['category_id']]['name'] for s in segments]


def test_components_of_things_and_whole_stuff():
    ids, segments = camvid_segments(draw(), 600.0, 100)
    assert names(segments) == ['Car', 'Car', 'Sky', 'Road']
    assert [s['id'] for s in segments] == [100, 101, 102, 103]
    assert [s['area'] for s in segments] == [12, 6, 8 * 32, 24 * 32 - 281]
    assert [s['bbox'] for s in segments[:2]] == [[2, 10, 6, 4], [20, 10, 3, 2]]
    # The small thing is void, as unlabelled pixels are.
    assert np.count_nonzero(ids == 0) == 5 + 2
    assert not ids[20, 2:7].any()
    assert (ids[13, 7], ids[11, 20], ids[0, 0], ids[8, 0]) == (
        *(100, 101, 102, 103),
    )


def test_the_smallest_area_is_a_share_of_the_map():
    # 500 pixels of 320x240 are 5 of this map.
    _, segments = camvid_segments(draw(), 500.0, 1)
    assert names(segments) == ['Car', 'Car', 'Pedestrian', 'Sky', 'Road']
    twice = draw().repeat(2, axis=0).repeat(2, axis=1)
    assert names(camvid_segments(twice, 500.0, 1)[1]) == names(segments)
    assert len(camvid_segments(twice, 500.1, 1)[1]) == 4


def test_no_map_has_more_segments_than_ids_are_kept_for():
    worst = np.full((240, 320), ROAD, np.uint8)
    for top in range(0, 240, 5):
        for left in range(0, 320, 6):
            worst[top : top + 4, left : left + 5] = CAR
    _, segments = camvid_segments(worst, 20, 1)
    assert 2500 < len(segments) <= MAX_SEGMENTS


@pytest.mark.parametrize(
    ('value', 'area', 'message'),
    [
        (CAR, 19.9, r'`min_area` should be at least 20\. Found 19\.9\.'),
        (12, 30.0, r'should have classes 0\.\.11\. Found 12\.'),
    ],
)
def test_what_is_refused(value, area, message):
    with pytest.raises(ValueError, match=message):
        camvid_segments(np.full((4, 4), value, np.uint8), area, 1)
