"""COCO panoptic annotation files and segment maps.

A map is a PNG file that keeps segment ids in three bytes: a segment with id
``R + 256 G + 65536 B`` has the colour (R, G, B).
"""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from mmengine.fileio import get, join_path
from numpy.typing import NDArray

from mmada.datasets.segment_map import SegmentMap, to_segment_map

BackendArgs = dict[str, Any] | None
VOID = 0
"""The only id that means 'unlabelled' in a segment map."""

MAX_ID = 256**3 - 1
"""The largest id that fits into three bytes."""

JPEG = b'\xff\xd8'
PNG = b'\x89PNG\r\n\x1a\n'
PNG_GREY_ALPHA = 4
"""Colour type in byte 25, of one grey value and an alpha value."""


class Category(NamedTuple):
    """Name and kind of a category."""

    name: str
    isthing: bool


class Annotation(NamedTuple):
    """Map file and ``segments_info`` of one image."""

    file_name: str
    segments_info: list[dict[str, Any]]


def read_json(path: str, backend_args: BackendArgs = None) -> dict[str, Any]:
    """Read an annotation file.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is no JSON object.
    """
    try:
        content = json.loads(get(path, backend_args=backend_args))
    except ValueError as error:
        raise ValueError(f'{path} should be JSON: {error}') from None
    if not isinstance(content, dict):
        raise ValueError(
            f'{path} should hold a JSON object. Found '
            f'{type(content).__name__}.'
        )
    return content


def read_categories(
    content: Mapping[str, Any], path: str
) -> dict[int, Category]:
    """Return the categories of an annotation file by id, in its order.

    Raises:
        ValueError: If there are none, or a field is missing or does not fit.
    """
    try:
        found = [
            _read_category(c, path)
            for c in check_list(path, 'categories', content['categories'])
        ]
    except (KeyError, TypeError) as error:
        raise ValueError(
            f'{path} should have categories with id, name and '
            f'isthing. Found none at {error}.'
        ) from None
    if not found:
        raise ValueError(f'{path} should have categories. Found none.')
    categories = dict(found)
    if len(categories) < len(found):
        raise ValueError(
            f'The categories of {path} should have an id each. Found '
            f'{[category_id for category_id, _ in found]}.'
        )
    return categories


def _read_category(
    entry: Mapping[str, Any], path: str
) -> tuple[int, Category]:
    place = f'a category of {path}'
    category_id, name = entry['id'], entry['name']
    if not isinstance(name, str):
        raise _misfit(place, 'text', 'name', name)
    isthing = entry['isthing']
    if not is_flag(isthing):
        # '0' is true for mmdet, and 2 for it but not for the reference.
        raise _misfit(f'{name!r}, {place},', '0 or 1', 'isthing', isthing)
    return to_int(place, 'id', category_id), Category(name, bool(isthing))


def is_flag(value: Any) -> bool:
    """Return whether a member of a file is 0 or 1, or false or true."""
    return isinstance(value, int | float) and value in (0, 1)


def read_annotations(
    content: Mapping[str, Any], path: str
) -> dict[int | str, Annotation]:
    """Return the annotations of an annotation file by image id.

    Raises:
        ValueError: If a field is missing or does not fit.
    """
    try:
        return dict(iter_annotations(content['annotations'], path))
    except KeyError as error:
        raise _no_annotations(path, error) from None


def iter_annotations(
    annotations: Iterable[Mapping[str, Any]], path: str
) -> Iterator[tuple[int | str, Annotation]]:
    """Yield image id and annotation of entries of an annotation file.

    Raises:
        ValueError: If they are no list, a field is missing or does not fit,
            or an image has a second annotation.
    """
    seen: set[int | str] = set()
    for a in check_list(path, 'annotations', annotations):
        try:
            found = Annotation(a['file_name'], a['segments_info'])
            image_id = a['image_id']
        except (KeyError, TypeError) as error:
            raise _no_annotations(path, error) from None
        if not isinstance(image_id, int | str):
            raise _misfit(
                f'an annotation of {path}',
                'an integer or a string',
                'image_id',
                image_id,
            )
        place = f'image {image_id} of {path}'
        if image_id in seen:
            raise ValueError(
                f'{place} should have one annotation. Found a second.'
            )
        seen.add(image_id)
        if not isinstance(found.file_name, str):
            raise _misfit(place, 'text', 'file_name', found.file_name)
        check_list(place, 'segments_info', found.segments_info)
        yield image_id, found


def check_list(place: str, name: str, value: Any) -> Iterable[Any]:
    """Return a member of a file if it is a list, or one that is being read.

    Raises:
        ValueError: If it is not.
    """
    if not isinstance(value, list | Iterator):
        raise _misfit(place, 'a list', name, value)
    return value


def to_int(place: str, name: str, value: Any) -> int:
    """Return a member of a file as an integer.

    Raises:
        ValueError: If it is none.
    """
    try:
        if not isinstance(value, float) or value.is_integer():
            return int(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise _misfit(place, 'an integer', name, value)


def to_number(place: str, name: str, value: Any) -> float:
    """Return a member of a file as a number, an int if it is whole.

    Raises:
        ValueError: If it is none, or not finite.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise _misfit(place, 'a number', name, value)
    return int(number) if number.is_integer() else number


def _misfit(place: str, expected: str, name: str, value: Any) -> ValueError:
    return ValueError(
        f'{place} should have {expected} as {name}. '
        f'Found {reprlib.repr(value)}.'
    )


def _no_annotations(path: str, error: Exception) -> ValueError:
    return ValueError(
        f'{path} should have annotations with image_id, file_name and '
        f'segments_info. Found none at {error}.'
    )


def read_segment_map(
    folder: str, file_name: str, backend_args: BackendArgs = None
) -> SegmentMap:
    """Read a segment map.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is no image.
    """
    path = join_path(folder, file_name, backend_args=backend_args)
    try:
        return to_segment_map(
            decode_id_map(get(path, backend_args=backend_args))
        )
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from None


def id_to_rgb(ids: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Return the colours (..., 3) in RGB order of ids (...).

    Raises:
        ValueError: If an id does not fit into three bytes.
    """
    if ids.size and (ids.min() < 0 or ids.max() > MAX_ID):
        raise ValueError(
            f'Segment ids should be in 0..{MAX_ID}. Found '
            f'{ids.min()}..{ids.max()}.'
        )
    return np.stack([ids & 255, (ids >> 8) & 255, ids >> 16], axis=-1).astype(
        np.uint8
    )


def decode_id_map(data: bytes) -> NDArray[np.int32]:
    """Return the ids (height, width) in an encoded image, as it is stored.

    Raises:
        ValueError: If the bytes are no image, or one that cannot hold ids.
    """
    pixels = _decode(data)
    if pixels is None:
        raise ValueError('the bytes should be an image. Found another file.')
    if found := _wrong_format(data, pixels):
        raise ValueError(
            'a segment map should be a PNG file with the colours red, green '
            f'and blue of 8 bits. Found {found}.'
        )
    if pixels.ndim == 2:
        return np.zeros(pixels.shape, dtype=np.int32)
    # With a fourth byte a pixel is one little-endian integer: much faster
    # than shifting and adding three planes.
    bgra = pixels.shape[2] == 4
    rgba = cv2.cvtColor(
        pixels, cv2.COLOR_BGRA2RGBA if bgra else cv2.COLOR_BGR2RGBA
    )
    ids: NDArray[np.int32] = (rgba.view('<u4')[..., 0] & MAX_ID).astype(
        np.int32
    )
    return ids


def _decode(data: bytes) -> Any:
    """Return the pixels of an encoded image as they are stored, or None.

    OpenCV's colour images are turned by an EXIF orientation and cut to 8
    bits, and a grey value is put into all three bytes.
    """
    if not data:
        return None
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)


def _wrong_format(data: bytes, pixels: NDArray[Any]) -> str | None:
    """Return why an image holds no ids; a grey one that is black has void."""
    if data.startswith(JPEG):
        return 'a JPEG file, which changes colours'
    if pixels.dtype != np.uint8:
        return f'{8 * pixels.itemsize} bits'
    grey_alpha = data.startswith(PNG) and data[25] == PNG_GREY_ALPHA
    if grey_alpha or (pixels.ndim == 2 and pixels.any()):
        return 'grey values'
    return None


def mask_box(mask: NDArray[np.bool_]) -> list[int]:
    """Return the box (x, y, width, height) of the pixels of a mask."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    x, y = int(columns[0]), int(rows[0])
    return [x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1]


def describe_segment(
    mask: NDArray[np.bool_], segment_id: int, category: int
) -> dict[str, Any]:
    """Return the entry of ``segments_info`` of the pixels of a mask."""
    return dict(
        id=segment_id,
        category_id=category,
        area=int(mask.sum()),
        bbox=mask_box(mask),
        iscrowd=0,
    )


def read_image(path: Path, channels: int) -> NDArray[np.uint8]:
    """Read an image as it is stored, in RGB order.

    Raises:
        OSError: If it cannot be read.
        ValueError: If it is no image of 8 bits and that many channels.
    """
    image = _decode(path.read_bytes())
    wanted = [channels] if channels > 1 else []
    if image is None or (image.dtype, *image.shape[2:]) != (np.uint8, *wanted):
        raise ValueError(
            f'{path} should be an image of 8 bits and {channels} channel(s). '
            'Found another.'
        )
    found: NDArray[np.uint8] = image if channels == 1 else image[..., ::-1]
    return found


def write_png(path: Path, rgb: NDArray[np.uint8]) -> None:
    """Write an RGB image (height, width, 3) as a PNG file."""
    done, data = cv2.imencode(
        '.png', rgb[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1]
    )
    if not done:
        raise OSError(f'could not encode {path}')
    path.write_bytes(data.tobytes())
