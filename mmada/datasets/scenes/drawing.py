"""Shapes and patterns of the things.

Every shape is a function of coordinates in which the thing has radius 1 and
returns about how far a point is outside (negative: inside).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmada.datasets.scene_textures import triangle_wave

Array = NDArray[np.float32]


class Sprite(NamedTuple):
    """A drawn thing, to be pasted.

    Attributes:
        alpha: Coverage (s, s) in [0, 1].
        colors: RGB (s, s, 3) in 0..255.
    """

    alpha: Array
    colors: Array


def _ball(x: Array, y: Array) -> Array:
    return np.sqrt(x * x + y * y) - np.float32(1)


def _ring(x: Array, y: Array) -> Array:
    radius = np.sqrt(x * x + y * y)
    return np.abs(radius - np.float32(0.72)) - np.float32(0.28)


def _crate(x: Array, y: Array) -> Array:
    return np.maximum(np.abs(x), np.abs(y)) - np.float32(0.82)


def _kite(x: Array, y: Array) -> Array:
    edge = np.abs(x) * np.float32(1.7) + np.abs(y) - np.float32(1.05)
    return edge * np.float32(0.51)


def _bands(x: Array, y: Array) -> Array:
    return triangle_wave(x * np.float32(1.1) + np.float32(0.5))


def _quarters(x: Array, y: Array) -> Array:
    return x * y


def _planks(x: Array, y: Array) -> Array:
    border = np.maximum(np.abs(x), np.abs(y)) - np.float32(0.62)
    boards = np.float32(0.3) - np.abs(triangle_wave(y * np.float32(0.9)))
    return np.maximum(border, boards)


def _halves(x: Array, y: Array) -> Array:
    return x


SHAPES: dict[str, Callable[[Array, Array], Array]] = dict(
    ball=_ball, ring=_ring, crate=_crate, kite=_kite
)
PATTERNS: dict[str, Callable[[Array, Array], Array]] = dict(
    ball=_bands, ring=_quarters, crate=_planks, kite=_halves
)


def draw_sprite(
    name: str, radius: float, paint: Array, v: NDArray[np.float64]
) -> Sprite:
    """Draw one thing on its own square.

    Args:
        name: Thing class.
        radius: Radius in pixels.
        paint: Base colour (3,) in 0..255.
        v: Five uniform numbers: turn, aspect, second colour, whether there
            is a pattern at all, and the strength of the shading.

    Returns:
        A square sprite with the thing in its middle.
    """
    half = int(radius) + 2
    axis = np.arange(-half, half + 1, dtype=np.float32) / np.float32(radius)
    # (1 - t^2, 2t) / (1 + t^2) is a point of the unit circle: a rotation
    # without sines, whose last bit differs between processors.
    t = 2 * v[0] - 1
    cos = np.float32((1 - t * t) / (1 + t * t))
    sin = np.float32(2 * t / (1 + t * t))
    x = axis[None, :] * cos - axis[:, None] * sin
    y = axis[None, :] * sin + axis[:, None] * cos
    x = x * np.float32(1 + 0.3 * v[1])
    outside = SHAPES[name](x, y) * np.float32(radius)
    alpha = np.clip(np.float32(0.5) - outside, 0, 1)
    second = (
        paint * np.float32(0.45)
        if v[2] < 0.6
        else np.array([238, 232, 214], dtype=np.float32)
    )
    pattern = PATTERNS[name](x, y) > 0
    two = second if v[3] < 0.8 else paint
    colors = np.where(pattern[:, :, None], two, paint)
    light = np.float32(1) - np.float32(0.15 + 0.2 * v[4]) * (
        axis[None, :] + axis[:, None]
    )
    return Sprite(alpha, colors * light[:, :, None])


def paste(
    canvas: Array,
    owners: NDArray[np.int64],
    sprite: Sprite,
    center: tuple[int, int],
    owner: int,
) -> None:
    """Lay a sprite and its shadow over a canvas, cut at the border.

    Args:
        canvas: RGB image (height, width, 3), changed in place.
        owners: Which segment owns each pixel (height, width), changed in
            place.
        sprite: The drawn thing.
        center: Row and column of its centre.
        owner: Number written into ``owners``.
    """
    shift = 1 + sprite.alpha.shape[0] // 16
    dark = Sprite(
        sprite.alpha * np.float32(0.4), np.zeros((1, 1, 3), dtype=np.float32)
    )
    _blend(canvas, dark, (center[0] + shift, center[1] + shift))
    target, source = _blend(canvas, sprite, center)
    owners[target][sprite.alpha[source] > 0.5] = owner


def _blend(
    canvas: Array, sprite: Sprite, center: tuple[int, int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    target, source = [], []
    for middle, length, size in zip(
        center, sprite.alpha.shape, canvas.shape[:2], strict=True
    ):
        start = middle - length // 2
        stop = max(min(start + length, size), 0)
        first = min(max(start, 0), stop)
        target.append(slice(first, stop))
        source.append(slice(first - start, stop - start))
    here, there = (target[0], target[1]), (source[0], source[1])
    colors = np.broadcast_to(sprite.colors, (*sprite.alpha.shape, 3))[there]
    canvas[here] += sprite.alpha[there][:, :, None] * (colors - canvas[here])
    return here, there
