"""Known pixels have known colours."""

from __future__ import annotations

import numpy as np
import pytest

from mmada.visualization import Segmentation, category_palette, paint

RED, BLUE = (255, 0, 0), (0, 0, 255)
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


def pixels(picture: np.ndarray) -> list[list[tuple[int, ...]]]:
    return [[tuple(map(int, p)) for p in row] for row in picture]


def test_categories_void_and_borders() -> None:
    ids = np.array([[7, 7, 7, 9, 9], [7, 7, 7, 9, 9], [0, 0, 0, 0, 0]])
    picture = paint(Segmentation(ids, {7: 1, 9: 2}), {1: RED, 2: BLUE})
    assert picture.dtype == np.uint8
    assert pixels(picture) == [
        [RED, RED, WHITE, BLUE, BLUE],
        [WHITE] * 5,
        [BLACK] * 5,
    ]


def test_two_instances_of_a_category_are_told_apart() -> None:
    ids = np.array([[1, 1, 2, 2]])
    picture = paint(Segmentation(ids, {1: 5, 2: 5}), {5: RED})
    assert pixels(picture) == [[RED, WHITE, RED, RED]]


def test_borders_stay_thin_when_pixels_grow() -> None:
    ids = np.array([[1, 2]])
    picture = paint(Segmentation(ids, {1: 5, 2: 6}), {5: RED, 6: BLUE}, 3)
    assert pixels(picture) == [[RED, RED, WHITE, BLUE, BLUE, BLUE]] * 3


def test_category_missing_in_the_palette() -> None:
    segmentation = Segmentation(np.ones((1, 1), int), {1: 5})
    with pytest.raises(ValueError, match=r'lacks \[5\]'):
        paint(segmentation, {4: RED})


def test_labels_of_a_detector() -> None:
    ids = np.array([[0, 1000, 2001, 3]], dtype=np.int32)
    segmentation = Segmentation.from_labels(ids, [11, 12, 13], pq=5.0)
    assert segmentation.categories == {0: 11, 1000: 11, 2001: 12}
    assert segmentation.pq == 5.0
    palette = {11: RED, 12: BLUE, 13: BLACK}
    assert pixels(paint(segmentation, palette)) == [
        [WHITE, WHITE, WHITE, BLACK]
    ]


def test_palette_depends_on_the_set_of_categories_alone() -> None:
    palette = category_palette([30, 10, 20, 10])
    assert list(palette) == [10, 20, 30]
    assert palette == category_palette({10: '', 20: '', 30: ''})


def test_133_categories_differ_and_none_looks_like_void_or_border() -> None:
    colors = list(category_palette(range(133)).values())
    assert len(set(colors)) == 133
    assert all(max(c) > 80 and min(c) < 230 for c in colors)
    assert all(type(v) is int and 0 <= v <= 255 for c in colors for v in c)
