"""Pictures as text, to be part of a page."""

from __future__ import annotations

import base64

import cv2
import mmcv
import numpy as np

from mmada.visualization.panoptic_colors import Image, enlarge

_WIDTH = 480
_LARGEST = 1024
_QUALITY = 88


def display_scale(width: int) -> int:
    """Return how often the pixels of a small picture are repeated."""
    return max(1, round(_WIDTH / width))


def read_image(path: str) -> Image:
    """Read an image as RGB."""
    return mmcv.imread(path, channel_order='rgb')


def photo_uri(image: Image) -> str:
    """Return an image (height, width, 3) as a data URI, compressed."""
    picture = _shrink(enlarge(image, display_scale(image.shape[1])))
    return _encode(
        picture, '.jpg', 'image/jpeg', [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
    )


def map_uri(picture: Image) -> str:
    """Return a painted map as a data URI, without loss."""
    return _encode(_shrink(picture), '.png', 'image/png', [])


def _shrink(picture: Image) -> Image:
    factor = _LARGEST / max(picture.shape[:2])
    if factor >= 1:
        return picture
    small = cv2.resize(
        picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA
    )
    return np.asarray(small, dtype=np.uint8)


def _encode(picture: Image, suffix: str, kind: str, options: list[int]) -> str:
    done, data = cv2.imencode(suffix, picture[:, :, ::-1], options)
    if not done:
        raise ValueError(f'no picture: an array of shape {picture.shape}')
    return f'data:{kind};base64,{base64.b64encode(data.tobytes()).decode()}'
