"""Images side by side: what there is, and what two models say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch

from mmada.visualization.panoptic_colors import (
    RGB,
    VOID_COLOR,
    Image,
    Segmentation,
    category_palette,
    enlarge,
    paint,
)

_TITLES = ('image', 'truth', 'baseline', 'ours')
_COLUMN_INCHES = 2.6
_COLUMN_PIXELS = 256
_CAPTION_INCHES = 0.2
_LEGEND_COLUMNS = 9
_LEGEND_INCHES = 0.25
_TITLE_INCHES = 0.25


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
        raise ValueError('rows should have at least one image, found none')
    if len(titles) != len(_TITLES):
        raise ValueError(
            f'titles should be {len(_TITLES)}, found {list(titles)}'
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
                f'row {index}: sizes should all be {size}, found {wrong}'
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
        _show(axis, paint(segmentation, palette, scale), segmentation.pq)


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
