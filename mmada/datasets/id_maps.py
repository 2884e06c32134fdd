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


def id_to_rgb(ids: NDArray[np.integer]) -> NDArray[np.uint8]:
    """Return the colours (..., 3) in RGB order of ids (...).

    Raises:
        ValueError: If an id does not fit into three bytes.
    """
    if ids.size and (ids.min() < 0 or ids.max() > MAX_ID):
        raise ValueError(
            f'segment ids should be in 0..{MAX_ID}, found '
            f'{ids.min()}..{ids.max()}'
        )
    return np.stack([ids & 255, (ids >> 8) & 255, ids >> 16], axis=-1).astype(
        np.uint8
    )


def decode_id_map(data: bytes) -> NDArray[np.int32]:
    """Return the ids (height, width) in an encoded image.

    Raises:
        ValueError: If the bytes are no image.
    """
    buffer = np.frombuffer(data, dtype=np.uint8)
    bgr = cv2.imdecode(buffer, cv2.IMREAD_COLOR) if buffer.size else None
    if bgr is None:
        raise ValueError('not an image')
    # With a fourth byte a pixel is one little-endian integer: much faster
    # than shifting and adding three planes.
    rgba = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGBA)
    ids: NDArray[np.int32] = (rgba.view('<u4')[..., 0] & MAX_ID).astype(
        np.int32
    )
    return ids


def write_png(path: Path, rgb: NDArray[np.uint8]) -> None:
    """Write an RGB image (height, width, 3) as a PNG file."""
    done, data = cv2.imencode(
        '.png', rgb[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1]
    )
    if not done:
        raise OSError(f'could not encode {path}')
    path.write_bytes(data.tobytes())
