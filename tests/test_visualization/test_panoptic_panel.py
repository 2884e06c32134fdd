"""The panel holds the pictures of its rows, in their columns."""

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
        assert np.array_equal(picture, paint(segmentation, palette, 8))
    assert tuple(shown[1][0, 0]) == palette[11] == tuple(shown[2][0, -1])
    assert tuple(shown[2][0, 0]) == (0, 0, 0)
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
    with pytest.raises(ValueError, match='titles should be 4'):
        panoptic_panel([good], NAMES, ['a'])
    with pytest.raises(ValueError, match=r"row 1.*'ours': \(2, 2\)"):
        panoptic_panel([good, replace(good, ours=small)], NAMES)
    with pytest.raises(ValueError, match=r'lacks \[11\]'):
        panoptic_panel([good], {1: 'ball'})
