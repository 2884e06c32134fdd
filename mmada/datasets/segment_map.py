"""Segment maps as runs of equal pixels, and how two of them overlap.

A map of 640x480 pixels has 300 thousand pixels but only some thousand runs:
sorting, counting and keeping runs is what makes the metric fast and lets the
truth of a whole data set stay in memory.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class SegmentMap(NamedTuple):
    """A segment map, row by row, in runs.

    Attributes:
        labels: The K labels that occur, ascending.
        owners: Index into ``labels`` of each of R runs.
        lengths: Pixels (R,) in each run.
        shape: Height and width.
    """

    labels: NDArray[np.integer]
    owners: NDArray[np.unsignedinteger]
    lengths: NDArray[np.int32]
    shape: tuple[int, int]


def _run_starts(changes: NDArray[np.bool_]) -> NDArray[np.int64]:
    return np.concatenate([[0], np.flatnonzero(changes) + 1])


def _run_lengths(starts: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    return np.diff(starts, append=size)


def to_segment_map(ids: NDArray[np.integer]) -> SegmentMap:
    """Convert a map of labels; the array is only read.

    Args:
        ids: Labels (height, width), any integers.

    Raises:
        ValueError: If there are no pixels or not two dimensions.
    """
    if ids.ndim != 2 or not ids.size:
        raise ValueError(
            'a segment map should have a height and a width. '
            f'Found shape {ids.shape}.'
        )
    flat = ids.ravel()
    starts = _run_starts(flat[1:] != flat[:-1])
    values = flat[starts]
    labels = np.unique(values)
    owners = np.searchsorted(labels, values)
    lengths = _run_lengths(starts, flat.size).astype(np.int32)
    smallest = np.min_scalar_type(len(labels) - 1)
    return SegmentMap(
        labels, owners.astype(smallest), lengths, (ids.shape[0], ids.shape[1])
    )


def label_areas(segments: SegmentMap) -> dict[int, int]:
    """Return the number of pixels of each label."""
    areas = np.bincount(segments.owners, weights=segments.lengths)
    return {
        int(label): int(area)
        for label, area in zip(segments.labels, areas, strict=True)
    }


def overlaps(
    first: SegmentMap, second: SegmentMap
) -> dict[tuple[int, int], int]:
    """Count the pixels that every two labels share.

    Args:
        first: A segment map.
        second: A segment map of the same size.

    Returns:
        Pixels of each (label of first, label of second) that do meet, in
        ascending order.

    Raises:
        ValueError: If the sizes differ.
    """
    if first.shape != second.shape:
        raise ValueError(
            'segment maps should have the same size. Found '
            f'{first.shape} and {second.shape}.'
        )
    a = np.repeat(first.owners, first.lengths)
    b = np.repeat(second.owners, second.lengths)
    starts = _run_starts((a[1:] != a[:-1]) | (b[1:] != b[:-1]))
    pairs = a[starts].astype(np.int64) * len(second.labels) + b[starts]
    # Weights are summed as doubles, exact up to 2^53 pixels.
    pixels = np.bincount(pairs, weights=_run_lengths(starts, a.size))
    met = np.flatnonzero(pixels)
    rows, cols = np.divmod(met, len(second.labels))
    keys = zip(
        first.labels[rows].tolist(), second.labels[cols].tolist(), strict=True
    )
    return dict(zip(keys, pixels[met].astype(np.int64).tolist(), strict=True))
