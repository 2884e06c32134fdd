"""The map of an image, against its annotation and its image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from mmada.datasets.id_maps import VOID
from mmada.datasets.image_ids import ImageId

from mmada.datasets.panoptic_check.faults import Fault
from mmada.datasets.panoptic_check.segments import Segment

Size = tuple[int, int]
Box = tuple[int, int, int, int]


def check_sizes(
    image_id: ImageId, stated: Size, image: Size | None, map_: Size | None
) -> list[Fault]:
    """Check that an image, its map and its entry have one size.

    Args:
        image_id: The image.
        stated: Height and width of its entry.
        image: Those of the image, None if it could not be read.
        map_: Those of the map, None if it could not be read.
    """
    faults = []
    if image is not None and image != stated:
        where = f'image {image_id}: {stated} stated, {image} found'
        faults.append(Fault('image_size', where))
    if map_ is not None and map_ != (image or stated):
        where = f'image {image_id}: {image or stated}, its map {map_}'
        faults.append(Fault('map_size', where))
    return faults


def check_map(
    image_id: ImageId, ids: NDArray[np.int32], segments: Sequence[Segment]
) -> list[Fault]:
    """Check that a map shows what its annotation lists.

    Args:
        image_id: The image.
        ids: Its map.
        segments: Its listed segments.
    """
    measured = measure_segments(ids)
    listed = {s.id for s in segments}
    found = [('unlisted_id', f'id {i}') for i in measured if i not in listed]
    for s in segments:
        if s.id != VOID:
            found += _compare(s, measured.get(s.id))
    return [Fault(k, f'image {image_id}: {text}') for k, text in found]


def measure_segments(ids: NDArray[np.int32]) -> dict[int, tuple[int, Box]]:
    """Return area and box (x, y, width, height) of each id but void."""
    height, width = ids.shape
    flat = ids.ravel()
    # Runs of equal ids within a row: far fewer than pixels.
    begins = np.ones(flat.size, dtype=bool)
    begins[1:] = flat[1:] != flat[:-1]
    begins[::width] = True
    starts = np.flatnonzero(begins)
    lengths = np.diff(starts, append=flat.size)
    rows, lefts = np.divmod(starts, width)
    labels, owners = np.unique(flat[starts], return_inverse=True)
    areas = np.bincount(owners, weights=lengths).astype(np.int64)
    low = np.full((len(labels), 2), max(height, width))
    high = np.zeros((len(labels), 2), dtype=np.int64)
    np.minimum.at(low, owners, np.stack([lefts, rows], 1))
    np.maximum.at(high, owners, np.stack([lefts + lengths, rows + 1], 1))
    boxes = np.concatenate([low, high - low], 1).tolist()
    return {
        int(label): (int(area), tuple(box))
        for label, area, box in zip(labels, areas, boxes, strict=True)
        if label != VOID
    }


def _compare(
    segment: Segment, measured: tuple[int, Box] | None
) -> Iterator[tuple[str, str]]:
    name = f'segment {segment.id}'
    if measured is None:
        yield 'no_pixels', name
        return
    area, box = measured
    if segment.area != area:
        yield 'wrong_area', f'{name}, {segment.area} stated, {area} in the map'
    if segment.box != box:
        stated = list(segment.box)
        yield 'wrong_box', f'{name}, {stated} stated, {list(box)} in the map'
