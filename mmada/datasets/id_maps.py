"""Segment ids and the three bytes that COCO panoptic PNG files keep them in.

A segment with id ``R + 256 G + 65536 B`` has the colour (R, G, B).
"""
from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

VOID = 0
"""The only id that means 'unlabelled' in a segment map."""

MAX_ID = 256**3 - 1
"""The largest id that fits into three bytes."""


def rgb_to_id(rgb: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Return the ids (..., ) of colours (..., 3) in RGB order."""
    wide = rgb.astype(np.int32)
    ids: NDArray[np.int32] = (
        wide[..., 0] + (wide[..., 1] << 8) + (wide[..., 2] << 16))
    return ids


def id_to_rgb(ids: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Return the colours (..., 3) in RGB order of ids (...).

    Raises:
        ValueError: If an id does not fit into three bytes.
    """
    if ids.size and (ids.min() < 0 or ids.max() > MAX_ID):
        raise ValueError(
            f'segment ids should be in 0..{MAX_ID}, found '
            f'{ids.min()}..{ids.max()}')
    return np.stack([ids & 255, (ids >> 8) & 255, ids >> 16],
                    axis=-1).astype(np.uint8)


def decode_id_map(data: bytes) -> NDArray[np.int32]:
    """Return the ids (height, width) in an encoded image.

    Raises:
        ValueError: If the bytes are no image.
    """
    bgr = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ValueError('not an image')
    return rgb_to_id(bgr[:, :, ::-1])


def write_png(path: Path, rgb: NDArray[np.uint8]) -> None:
    """Write an RGB image (height, width, 3) as a PNG file."""
    done, data = cv2.imencode('.png', rgb[:, :, ::-1],
                              [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise OSError(f'could not encode {path}')
    path.write_bytes(data.tobytes())
