"""One image of a data set: its annotation, its map and its files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from mmada.datasets.coco_panoptic import VOID, decode_id_map
from mmada.datasets.image_subset import ImageId
from mmada.diagnostics.data.annotations import (
    ImageEntry,
    Segment,
    check_map_name,
    check_segments,
    parse_segments,
)
from mmada.diagnostics.data.faults import Fault

EXIF = (b'Exif', b'eXIf')
"""What begins the data of EXIF, in JPEG and in PNG files."""

Size = tuple[int, int]
Box = tuple[int, int, int, int]


class DataSet(NamedTuple):
    """Where a panoptic data set is, and what its dataset class says."""

    ann_file: str
    seg_dir: str
    img_dir: str
    metainfo: Mapping[str, Any] | None = None


class Task(NamedTuple):
    """An annotation, the image it is of, and whether to open the files."""

    annotation: Any
    image: ImageEntry | None
    opened: bool


def check_image(
    data: DataSet, things: Mapping[int, bool], task: Task
) -> tuple[list[Fault], set[int]]:
    """Check the annotation and the files of an image.

    Args:
        data: The data set.
        things: Of each category, whether it is a thing.
        task: What to check.

    Returns:
        The faults, and the categories of the segments.
    """
    annotation, image, opened = task
    if not names_a_map(annotation):
        return [
            Fault('bad_fields', f'an annotation: {annotation!r:.60}')
        ], set()
    image_id, map_name = annotation['image_id'], annotation['file_name']
    listed = annotation.get('segments_info')
    segments, faults = parse_segments(image_id, listed)
    faults += check_segments(image_id, segments, things)
    if image is not None:
        faults += check_map_name(image, map_name)
    if image is not None and opened:
        image_path = os.path.join(data.img_dir, image.file_name)
        photo = _open(image_path, _decode_image, 'unreadable_image', faults)
        map_path = os.path.join(data.seg_dir, map_name)
        ids = _open(map_path, decode_id_map, 'unreadable_map', faults)
        stated = image.height, image.width
        faults += check_sizes(image_id, stated, _size(photo), _size(ids))
        if photo is not None and is_turned(image_path, photo, _size(ids)):
            faults.append(Fault('turned_image', image_path))
        faults += [] if ids is None else check_map(image_id, ids, segments)
    return faults, {s.category for s in segments}


def names_a_map(annotation: Any) -> bool:
    """Return whether an annotation says which image and map it is of."""
    return (
        isinstance(annotation, Mapping)
        and isinstance(annotation.get('image_id'), (int, str))
        and isinstance(annotation.get('file_name'), str)
    )


def _size(array: NDArray[Any] | None) -> tuple[int, int] | None:
    return None if array is None else (array.shape[0], array.shape[1])


def _open(
    path: str,
    decode: Callable[[bytes], NDArray[Any]],
    kind: str,
    faults: list[Fault],
) -> NDArray[Any] | None:
    """Return what is in a file; a missing one is known already."""
    try:
        return decode(Path(path).read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        faults.append(Fault(kind, f'{path}: {error}'))
        return None


def _decode_image(data: bytes) -> NDArray[np.uint8]:
    buffer = np.frombuffer(data, np.uint8)
    image: Any = cv2.imdecode(buffer, cv2.IMREAD_COLOR) if data else None
    if image is None:
        raise ValueError('the bytes should be an image. Found another file.')
    return image


def is_turned(path: str, photo: NDArray[np.uint8], map_: Size | None) -> bool:
    """Return whether a photograph is turned and its map may be not.

    Args:
        path: The photograph.
        photo: What it is loaded as.
        map_: Height and width of the map, None if it could not be read.
    """
    data = Path(path).read_bytes()
    if not any(name in data for name in EXIF):
        return False
    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    stored: Any = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if stored.shape != photo.shape:
        return map_ != photo.shape[:2]
    return not np.array_equal(stored, photo)


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
