"""Segmentations as pictures, side by side: what there is, what models say.

A category has a colour, laid over the image, and a segment a line around it.
"""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch
from numpy.typing import NDArray

from mmada.datasets.coco_panoptic import decode_id_map
from mmada.evaluation.coco_truth import INSTANCE_OFFSET

RGB = tuple[int, int, int]
Image = NDArray[np.uint8]
VOID_COLOR: RGB = (0, 0, 0)
_BORDER: RGB = (255, 255, 255)
_OPACITY = 0.6

# Far apart first: most data sets shown in one picture have few categories.
_PALETTE: tuple[RGB, ...] = (
    (230, 75, 53),
    (77, 187, 213),
    (0, 135, 108),
    (60, 84, 136),
    (243, 155, 127),
    (255, 205, 75),
    (145, 209, 194),
    (126, 97, 72),
    (176, 110, 190),
    (150, 160, 40),
    (240, 130, 190),
    (132, 145, 180),
)

_GOLDEN_RATIO = 0.618033988749895
_TITLES = ('image', 'truth', 'baseline', 'ours')
_COLUMN_INCHES = 2.6
_COLUMN_PIXELS = 256
_CAPTION_INCHES = 0.2
_LEGEND_COLUMNS = 9
_LEGEND_INCHES = 0.25
_TITLE_INCHES = 0.25


@dataclass(frozen=True)
class Segmentation:
    """A panoptic segmentation of one image.

    Attributes:
        ids: Segment ids (height, width).
        categories: Category of each segment id; ids that are not in it are
            void.
        pq: Panoptic quality of this image in percent, for the caption.
    """

    ids: NDArray[np.integer]
    categories: Mapping[int, int]
    pq: float | None = None

    @classmethod
    def from_file(
        cls, data: bytes, segments_info: Iterable[Mapping[str, Any]]
    ) -> Segmentation:
        """Make one from COCO's panoptic format.

        Args:
            data: Of the PNG with the segment ids.
            segments_info: ``id`` and ``category_id`` of each segment.
        """
        categories = {
            int(s['id']): int(s['category_id']) for s in segments_info
        }
        return cls(decode_id_map(data), categories)

    @classmethod
    def from_labels(
        cls,
        ids: NDArray[np.integer],
        categories: Sequence[int],
        pq: float | None = None,
    ) -> Segmentation:
        """Make one from the map that MMDetection's detectors predict.

        Args:
            ids: Class + 1000 x instance of each pixel (height, width);
                classes from ``len(categories)`` on are void.
            categories: Category of each class.
            pq: Panoptic quality of this image in percent.

        Returns:
            A segmentation of the same map.
        """
        classes = {int(i): int(i) % INSTANCE_OFFSET for i in np.unique(ids)}
        known = {
            i: categories[label]
            for i, label in classes.items()
            if label < len(categories)
        }
        return cls(ids, known, pq)


@dataclass(frozen=True)
class PanelRow:
    """An image and three segmentations of it.

    Attributes:
        image: RGB (height, width, 3).
        truth: What there is.
        baseline: What one model predicts.
        ours: What the other model predicts.
    """

    image: Image
    truth: Segmentation
    baseline: Segmentation
    ours: Segmentation


def panoptic_panel(
    rows: Sequence[PanelRow],
    names: Mapping[int, str],
    titles: Sequence[str] = _TITLES,
) -> Figure:
    """Draw images in rows: image, truth, baseline, ours.

    Args:
        rows: One for each image; images may differ in size.
        names: Name of each category of the data set; a category has the
            same colour in all pictures made with the same names.
        titles: Of the four columns.

    Returns:
        The figure, to be saved with `save_figure`.

    Raises:
        ValueError: If there are no rows, the titles are not four, sizes
            differ within a row, or a category has no name.
    """
    _check(rows, titles)
    palette = category_palette(names)
    heights = [_row_inches(row) for row in rows]
    legend = _LEGEND_INCHES * -(-(len(names) + 1) // _LEGEND_COLUMNS)
    figure = Figure(
        figsize=(4 * _COLUMN_INCHES, sum(heights) + legend + _TITLE_INCHES),
        layout=ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02),
    )
    grid = figure.subplots(len(rows), 4, squeeze=False, height_ratios=heights)
    for axes, row in zip(grid, rows, strict=True):
        _draw_row(axes, row, palette)
    for axis, title in zip(grid[0], titles, strict=True):
        axis.set_title(title, fontsize=10)
    figure.legend(
        handles=_legend_handles(names, palette),
        loc='outside lower center',
        ncols=_LEGEND_COLUMNS,
        frameon=False,
        fontsize=9,
    )
    return figure


def _check(rows: Sequence[PanelRow], titles: Sequence[str]) -> None:
    if not rows:
        raise ValueError('`rows` should have at least one image. Found none.')
    if len(titles) != len(_TITLES):
        raise ValueError(
            f'`titles` should be {len(_TITLES)}. Found {list(titles)}.'
        )
    for index, row in enumerate(rows):
        size = row.image.shape[:2]
        found = {
            'image': row.image.shape[:2],
            'truth': row.truth.ids.shape,
            'baseline': row.baseline.ids.shape,
            'ours': row.ours.ids.shape,
        }
        wrong = {name: s for name, s in found.items() if s != size}
        if wrong:
            raise ValueError(
                f'row {index}: sizes should all be {size}. Found {wrong}.'
            )


def _row_inches(row: PanelRow) -> float:
    height, width = row.image.shape[:2]
    return _COLUMN_INCHES * height / width + _CAPTION_INCHES


def _draw_row(
    axes: Sequence[Axes], row: PanelRow, palette: Mapping[int, RGB]
) -> None:
    scale = max(1, round(_COLUMN_PIXELS / row.image.shape[1]))
    _show(axes[0], enlarge(row.image, scale), None)
    segmentations = (row.truth, row.baseline, row.ours)
    for axis, segmentation in zip(axes[1:], segmentations, strict=True):
        picture = overlay(row.image, segmentation, palette, scale)
        _show(axis, picture, segmentation.pq)


def _show(axis: Axes, picture: Image, pq: float | None) -> None:
    axis.imshow(picture, interpolation='nearest')
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)
    if pq is not None:
        axis.set_xlabel(f'PQ {pq:.1f}', fontsize=9, labelpad=2)


def _legend_handles(
    names: Mapping[int, str], palette: Mapping[int, RGB]
) -> list[Patch]:
    entries = [
        (palette[category], name) for category, name in sorted(names.items())
    ]
    return [
        Patch(color=(r / 255, g / 255, b / 255), label=label)
        for (r, g, b), label in [*entries, (VOID_COLOR, 'void')]
    ]


def category_palette(categories: Iterable[int]) -> dict[int, RGB]:
    """Give each category a colour that depends on its rank only.

    Args:
        categories: All categories of the data set, in any order.

    Returns:
        A colour for each; none is black, which is void.
    """
    return {
        category: _PALETTE[rank] if rank < len(_PALETTE) else _hue(rank)
        for rank, category in enumerate(sorted(set(categories)))
    }


def _hue(rank: int) -> RGB:
    """Return a colour far from those of neighbouring ranks."""
    hue = rank * _GOLDEN_RATIO % 1
    brightness = (0.95, 0.7)[rank % 2]
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.65, brightness)
    return round(255 * red), round(255 * green), round(255 * blue)


def paint(
    segmentation: Segmentation, palette: Mapping[int, RGB], scale: int = 1
) -> Image:
    """Draw a segmentation.

    Args:
        segmentation: What to draw.
        palette: Colour of each category.
        scale: Size of a pixel in the picture. Defaults to 1.

    Returns:
        Picture (scale x height, scale x width, 3): categories in their
        colours, void black, white lines one pixel wide between segments.

    Raises:
        ValueError: If the palette lacks a category.
    """
    missing = set(segmentation.categories.values()) - set(palette)
    if missing:
        raise ValueError(
            f'`palette` should have all categories. Found none for '
            f'{sorted(missing)}.'
        )
    ids = enlarge(segmentation.ids, scale)
    values, inverse = np.unique(ids, return_inverse=True)
    colors = [
        palette.get(segmentation.categories.get(int(value), -1), VOID_COLOR)
        for value in values
    ]
    picture = np.array(colors, dtype=np.uint8)[inverse.reshape(ids.shape)]
    picture[_borders(ids)] = _BORDER
    return picture


def overlay(
    image: Image,
    segmentation: Segmentation,
    palette: Mapping[int, RGB],
    scale: int = 1,
) -> Image:
    """Draw a segmentation over its image.

    Args:
        image: RGB (height, width, 3).
        segmentation: What to draw.
        palette: Colour of each category.
        scale: Size of a pixel in the picture. Defaults to 1.

    Returns:
        As :func:`paint`, the image showing through; void is the image
        darkened, and the lines stay white.
    """
    painted = paint(segmentation, palette, scale)
    mixed = _OPACITY * painted + (1 - _OPACITY) * enlarge(image, scale)
    lines = _borders(enlarge(segmentation.ids, scale))
    return np.where(lines[..., None], _BORDER, mixed).astype(np.uint8)


def enlarge(array: NDArray, scale: int) -> NDArray:
    """Repeat the pixels (height, width, ...) ``scale`` times each way."""
    return array.repeat(scale, axis=0).repeat(scale, axis=1)


def _borders(ids: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return the pixels whose right or lower neighbour is another segment."""
    borders = np.zeros(ids.shape, dtype=bool)
    borders[:, :-1] |= ids[:, :-1] != ids[:, 1:]
    borders[:-1] |= ids[:-1] != ids[1:]
    return borders
