"""One image of a panoptic data set, for check_data.py."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from mmada.datasets.id_maps import decode_id_map
from mmada.diagnostics.data import (
    Fault,
    ImageEntry,
    check_map,
    check_map_name,
    check_segments,
    check_sizes,
    parse_segments,
)


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
    except FileNotFoundError:
        return None
    except ValueError:
        faults.append(Fault(kind, path))
        return None


def _decode_image(data: bytes) -> NDArray[np.uint8]:
    buffer = np.frombuffer(data, np.uint8)
    image: Any = cv2.imdecode(buffer, cv2.IMREAD_COLOR) if data else None
    if image is None:
        raise ValueError('not an image')
    return image
