"""Panoptic segments of CamVid, from its maps of eleven classes.

The maps do not tell things apart. Here a connected component of a thing class
is a thing, so cars that touch are one: an approximation. Small components are
void, as unlabelled pixels are.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from mmdet.datasets import CocoPanopticDataset
from mmengine.registry import DATASETS
from numpy.typing import NDArray

from mmada.datasets.coco_panoptic import describe_segment
from mmada.datasets.semantic_labels import SemanticLabels


class CamVidClass(NamedTuple):
    """One class.

    Attributes:
        value: Its number in the published maps.
        name: Class name.
        color: For pictures.
    """

    value: int
    name: str
    color: tuple[int, int, int]


THINGS = (
    CamVidClass(6, 'SignSymbol', (192, 128, 128)),
    CamVidClass(8, 'Car', (64, 0, 128)),
    CamVidClass(9, 'Pedestrian', (64, 64, 0)),
    CamVidClass(10, 'Bicyclist', (0, 128, 192)),
)
STUFF = (
    CamVidClass(0, 'Sky', (128, 128, 128)),
    CamVidClass(1, 'Building', (128, 0, 0)),
    CamVidClass(2, 'Pole', (192, 192, 128)),
    CamVidClass(3, 'Road', (128, 64, 128)),
    CamVidClass(4, 'Pavement', (60, 40, 222)),
    CamVidClass(5, 'Tree', (128, 128, 0)),
    CamVidClass(7, 'Fence', (64, 64, 128)),
)
UNLABELLED = 11
REFERENCE_PIXELS = 320 * 240
"""Size of the maps that areas are given for."""

MIN_AREA = 20
"""The smallest area of a thing that can be asked for."""

MAX_SEGMENTS = REFERENCE_PIXELS // MIN_AREA + len(STUFF)
"""More than an image can have."""


@DATASETS.register_module()
class CamVidPanopticDataset(CocoPanopticDataset):
    """mmdet's ``CocoPanopticDataset`` with CamVid's classes, things first.

    It takes the arguments of the parent class, and reads what
    ``tools/convert_camvid_panoptic.py`` writes.
    """

    METAINFO = dict(
        classes=tuple(c.name for c in THINGS + STUFF),
        thing_classes=tuple(c.name for c in THINGS),
        stuff_classes=tuple(c.name for c in STUFF),
        palette=[c.color for c in THINGS + STUFF],
    )


@DATASETS.register_module()
class CamVidSemanticDataset(SemanticLabels, CamVidPanopticDataset):
    """CamVid as label maps; see :class:`SemanticLabels`."""


def camvid_categories() -> list[dict[str, Any]]:
    """Return the ``categories`` of the annotation file, things first."""
    return [
        dict(id=k, name=c.name, isthing=int(c in THINGS), color=list(c.color))
        for k, c in enumerate(THINGS + STUFF)
    ]


def camvid_segments(
    classes: NDArray[np.uint8], min_area: float, first_id: int
) -> tuple[NDArray[np.int32], list[dict[str, Any]]]:
    """Make segments of a map of classes.

    Args:
        classes: Class of each pixel, as published.
        min_area: Pixels of the smallest thing in a map of 320x240, at least
            20; in a map of another size, the same share of its pixels.
        first_id: Id of the first segment.

    Returns:
        Segment ids, and ``segments_info`` of the COCO panoptic format.

    Raises:
        ValueError: If a pixel has no such class, or the area is too small.
    """
    if min_area < MIN_AREA:
        raise ValueError(
            f'`min_area` should be at least {MIN_AREA}. Found {min_area}.'
        )
    if classes.max(initial=0) > UNLABELLED:
        raise ValueError(
            f'the map should have classes 0..{UNLABELLED}. Found '
            f'{classes.max()}.'
        )
    smallest = min_area * classes.size / REFERENCE_PIXELS
    ids = np.zeros(classes.shape, np.int32)
    segments: list[dict[str, Any]] = []
    for category, kind in enumerate(THINGS + STUFF):
        of_class = classes == kind.value
        masks = (
            _components(of_class, smallest) if kind in THINGS else [of_class]
        )
        for mask in masks:
            if mask.any():
                segment_id = first_id + len(segments)
                ids[mask] = segment_id
                segments.append(describe_segment(mask, segment_id, category))
    return ids, segments


def _components(
    mask: NDArray[np.bool_], smallest: float
) -> list[NDArray[np.bool_]]:
    """Return the components with their diagonal neighbours, large enough."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(
        mask.astype(np.uint8), connectivity=8
    )
    areas = stats[1:, cv2.CC_STAT_AREA]  # the first is what is around them
    large = 1 + np.flatnonzero(areas >= smallest)
    return [labels == label for label in large]
