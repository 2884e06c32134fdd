"""Segmentations as pictures: a colour a category, a line around a segment."""

from __future__ import annotations

import colorsys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RGB = tuple[int, int, int]
Image = NDArray[np.uint8]

_INSTANCE_OFFSET = 1000
VOID_COLOR: RGB = (0, 0, 0)
_BORDER: RGB = (255, 255, 255)
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
        classes = {int(i): int(i) % _INSTANCE_OFFSET for i in np.unique(ids)}
        known = {
            i: categories[label]
            for i, label in classes.items()
            if label < len(categories)
        }
        return cls(ids, known, pq)


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
            f'the palette should have all categories, it lacks '
            f'{sorted(missing)}'
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


def enlarge(array: NDArray, scale: int) -> NDArray:
    """Repeat the pixels (height, width, ...) ``scale`` times each way."""
    return array.repeat(scale, axis=0).repeat(scale, axis=1)


def _borders(ids: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return the pixels whose right or lower neighbour is another segment."""
    borders = np.zeros(ids.shape, dtype=bool)
    borders[:, :-1] |= ids[:, :-1] != ids[:, 1:]
    borders[:-1] |= ids[:-1] != ids[1:]
    return borders


def _hue(rank: int) -> RGB:
    """Return a colour far from those of neighbouring ranks."""
    hue = rank * _GOLDEN_RATIO % 1
    brightness = (0.95, 0.7)[rank % 2]
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.65, brightness)
    return round(255 * red), round(255 * green), round(255 * blue)
