"""Drawing of scenes: backgrounds, and the shapes and patterns of things.

Every shape is a function of coordinates in which the thing has radius 1 and
returns about how far a point is outside (negative: inside).

Only additions, multiplications, divisions, comparisons and square roots are
used on arrays: they round the same way on every processor, so the same seed
gives the same pixels everywhere, which sines and matrix products do not
promise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmada.datasets.scenes.classes import STUFF

Array = NDArray[np.float32]
Owners = NDArray[np.int64]
CONTRAST = dict(sky=16.0, water=24.0, grass=30.0, forest=26.0)
VOID_OWNER = 0


class Sprite(NamedTuple):
    """A drawn thing, to be pasted.

    Attributes:
        alpha: Coverage (s, s) in [0, 1].
        colors: RGB (s, s, 3) in 0..255.
    """

    alpha: Array
    colors: Array


def draw_background(
    rng: np.random.Generator, size: tuple[int, int], unit: float
) -> tuple[Array, Owners]:
    """Draw what lies behind the things.

    Args:
        rng: Source of randomness.
        size: Height and width in pixels.
        unit: Scale of the scene in pixels.

    Returns:
        RGB canvas (height, width, 3) in 0..255, and which segment owns each
        pixel (height, width): 0 for void, 1 + k for the k-th stuff class.
    """
    order = rng.permutation(len(STUFF))
    if rng.random() < 0.6:
        # Most landscapes have the sky on top.
        order = np.concatenate([[0], order[order != 0]])
    bands = int(rng.integers(2, len(STUFF)))
    layout = _band_layout(rng, size, unit, order[: bands + 1])
    texture: Array = np.zeros(size, dtype=np.float32)
    for index in np.flatnonzero(np.bincount(layout.ravel())):
        name = STUFF[index].name
        drawn = TEXTURES[name](rng, size, unit) * np.float32(CONTRAST[name])
        texture = np.where(layout == index, drawn, texture)
    paints = np.array([c.paints[0] for c in STUFF], dtype=np.float32)
    paints += (rng.random(paints.shape) * 36 - 18).astype(np.float32)
    canvas = paints[layout] + texture[:, :, None]
    owners = layout + 1
    if rng.random() < 0.4:
        _draw_debris(rng, canvas, owners, unit)
    if rng.random() < 0.3:
        _void_edges(owners, layout)
    return canvas, owners


def _draw_debris(
    rng: np.random.Generator, canvas: Array, owners: Owners, unit: float
) -> None:
    """Draw a grey heap that belongs to no class: its pixels are void."""
    half = int((4 + 8 * rng.random()) * unit)
    axis = np.arange(-half, half + 1, dtype=np.float32) / np.float32(half)
    rough = value_noise(rng, (len(axis), len(axis)), (3 * unit, 3 * unit))
    radius = axis[:, None] ** 2 + axis[None, :] ** 2
    alpha = np.clip(
        (np.float32(0.7) - radius + rough * np.float32(0.3))
        * np.float32(half),
        0,
        1,
    )
    grey = (np.float32(120) + rough * np.float32(50))[:, :, None]
    center = random_position(rng, canvas.shape)
    colors = np.repeat(grey, 3, axis=2)
    paste(canvas, owners, Sprite(alpha, colors), center, VOID_OWNER)


def _void_edges(owners: Owners, layout: Owners) -> None:
    """Leave the pixels on both sides of a border of bands unlabelled."""
    down = layout[1:] != layout[:-1]
    owners[1:][down] = VOID_OWNER
    owners[:-1][down] = VOID_OWNER


def _band_layout(
    rng: np.random.Generator,
    shape: tuple[int, int],
    unit: float,
    order: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Divide an image into wavy bands and, often, a lake.

    The entries of ``order`` are the class indices of the bands from the top
    and, last, of the lake.
    """
    height, width = shape
    bands = len(order) - 1
    rows = np.arange(height, dtype=np.float32)[:, None]
    edges = (np.arange(1, bands) + rng.random(bands - 1) * 0.7 - 0.35) / bands
    band = np.zeros(shape, dtype=np.int64)
    for edge in edges:
        wave = value_noise(rng, (1, width), (1.0, 14 * unit))
        band += rows > np.float32(edge * height) + wave * np.float32(5 * unit)
    layout: NDArray[np.int64] = order[band]
    if rng.random() < 0.55:
        layout[_lake(rng, shape, unit)] = order[-1]
    return layout


def _lake(
    rng: np.random.Generator, shape: tuple[int, int], unit: float
) -> NDArray[np.bool_]:
    height, width = shape
    v = rng.random(4)
    y = (
        np.arange(height, dtype=np.float32)
        - np.float32(height * (0.35 + 0.6 * v[0]))
    )[:, None]
    x = np.arange(width, dtype=np.float32) - np.float32(width * v[1])
    y = y / np.float32((8 + 10 * v[2]) * unit)
    x = x / np.float32((14 + 20 * v[3]) * unit)
    shore = value_noise(rng, shape, (9 * unit, 9 * unit))
    inside: NDArray[np.bool_] = y * y + x * x + shore * np.float32(
        0.5
    ) < np.float32(1)
    return inside


def random_position(
    rng: np.random.Generator, shape: tuple[int, ...]
) -> tuple[int, int]:
    """Draw the row and column of a pixel of an array of this shape."""
    y, x = rng.random(2)
    return int(y * shape[0]), int(x * shape[1])


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


def value_noise(
    rng: np.random.Generator, shape: tuple[int, int], cell: tuple[float, float]
) -> Array:
    """Draw smooth noise by linear interpolation of a random lattice.

    Args:
        rng: Source of randomness.
        shape: Height and width in pixels.
        cell: Height and width of a lattice cell in pixels.

    Returns:
        Array (height, width) in [-1, 1].
    """
    offset = rng.random(2)
    rows, fy = _lattice(shape[0], cell[0], float(offset[0]))
    cols, fx = _lattice(shape[1], cell[1], float(offset[1]))
    cells = (int(rows[-1]) + 2, int(cols[-1]) + 2)
    grid: Array = rng.random(cells, dtype=np.float32) * 2 - 1
    lines: Array = grid[rows] + (grid[rows + 1] - grid[rows]) * fy[:, None]
    left = lines[:, cols]
    noise: Array = left + (lines[:, cols + 1] - left) * fx
    return noise


def _lattice(
    length: int, cell: float, offset: float
) -> tuple[NDArray[np.int64], Array]:
    position = np.arange(length, dtype=np.float32) / np.float32(
        cell
    ) + np.float32(offset)
    cells = position.astype(np.int64)
    return cells, position - cells.astype(np.float32)


def triangle_wave(phase: Array) -> Array:
    """Return a wave of period 1 between -1 (at 0) and 1 (at 0.5)."""
    wave: Array = np.float32(4) * np.abs(
        phase - np.floor(phase + np.float32(0.5))
    ) - np.float32(1)
    return wave


def _sky(
    rng: np.random.Generator, shape: tuple[int, int], unit: float
) -> Array:
    return value_noise(rng, shape, (12 * unit, 26 * unit))


def _water(
    rng: np.random.Generator, shape: tuple[int, int], unit: float
) -> Array:
    rows = np.arange(shape[0], dtype=np.float32)[:, None]
    bend = value_noise(rng, shape, (8 * unit, 10 * unit))
    period = np.float32((4 + 2 * rng.random()) * unit)
    return triangle_wave(rows / period + bend * np.float32(0.6))


def _grass(
    rng: np.random.Generator, shape: tuple[int, int], unit: float
) -> Array:
    return value_noise(rng, shape, (3 * unit, 1.2 * unit))


def _forest(
    rng: np.random.Generator, shape: tuple[int, int], unit: float
) -> Array:
    crowns = value_noise(rng, shape, (4.5 * unit, 4.5 * unit))
    blobs: Array = np.clip(
        crowns * np.float32(3), np.float32(-1), np.float32(1)
    )
    return blobs


TEXTURES: dict[str, Callable[..., Array]] = dict(
    sky=_sky, water=_water, grass=_grass, forest=_forest
)
