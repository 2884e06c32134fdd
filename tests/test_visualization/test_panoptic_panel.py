"""The panel holds the pictures of its rows, in known colours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from mmada.visualization import (
    PanelRow,
    Segmentation,
    category_palette,
    overlay,
    paint,
    panoptic_panel,
    save_figure,
)

NAMES = {1: 'ball', 11: 'sky'}


def row(height: int = 16, width: int = 32) -> PanelRow:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    ids = np.zeros((height, width), dtype=int)
    ids[:, width // 2 :] = 5
    truth = Segmentation(ids, {0: 11, 5: 1})
    return PanelRow(
        image,
        truth,
        Segmentation(ids, {5: 11}, pq=12.34),
        Segmentation(ids, {0: 11, 5: 1}, pq=100.0),
    )


def test_pictures_titles_and_captions() -> None:
    first, second = row(), row(32, 64)
    figure = panoptic_panel([first, second], NAMES, ['i', 't', 'b', 'o'])
    assert len(figure.axes) == 8
    palette = category_palette(NAMES)
    shown = [np.asarray(axes.images[0].get_array()) for axes in figure.axes]
    assert np.array_equal(shown[0][::8, ::8], first.image)
    assert np.array_equal(shown[4][::4, ::4], second.image)
    segmentations = (first.truth, first.baseline, first.ours)
    for picture, segmentation in zip(shown[1:4], segmentations, strict=True):
        expected = overlay(first.image, segmentation, palette, 8)
        assert np.array_equal(picture, expected)
    # Three fifths of the colour, none of void, and the rest is the image.
    first_pixel = first.image[0, 0]
    assert shown[2][0, 0] == pytest.approx(0.4 * first_pixel, abs=1)
    sky = 0.6 * np.array(palette[11])
    assert shown[1][0, 0] == pytest.approx(sky + 0.4 * first_pixel, abs=1)
    assert tuple(shown[1][0, 127]) == (255, 255, 255)  # between two segments
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == ['i', 't', 'b', 'o', '', '', '', '']
    captions = [axes.get_xlabel() for axes in figure.axes[:4]]
    assert captions == ['', '', 'PQ 12.3', 'PQ 100.0']


def test_legend_has_the_colours_of_the_pictures() -> None:
    figure = panoptic_panel([row()], NAMES)
    (legend,) = figure.legends
    found = {
        text.get_text(): patch.get_facecolor()[:3]
        for text, patch in zip(
            legend.get_texts(), legend.get_patches(), strict=True
        )
    }
    palette = category_palette(NAMES)
    expected = {'ball': palette[1], 'sky': palette[11], 'void': (0, 0, 0)}
    assert list(found) == list(expected)
    for name, color in expected.items():
        np.testing.assert_allclose(np.array(found[name]) * 255, color)


def test_size_of_the_file(tmp_path: Path) -> None:
    figure = panoptic_panel([row(), row()], NAMES)
    path = save_figure(figure, tmp_path / 'panel.png', dpi=100)
    height, width = matplotlib.image.imread(path).shape[:2]
    assert width == 1040
    assert 260 < height < 400


def test_bad_input() -> None:
    good = row()
    small = Segmentation(np.zeros((2, 2), int), {})
    with pytest.raises(ValueError, match='at least one image'):
        panoptic_panel([], NAMES)
    with pytest.raises(ValueError, match='`titles` should be 4'):
        panoptic_panel([good], NAMES, ['a'])
    with pytest.raises(ValueError, match=r"row 1.*'ours': \(2, 2\)"):
        panoptic_panel([good, replace(good, ours=small)], NAMES)
    with pytest.raises(ValueError, match=r'Found none for \[11\]'):
        panoptic_panel([good], {1: 'ball'})


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
    with pytest.raises(ValueError, match=r'Found none for \[5\]'):
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
