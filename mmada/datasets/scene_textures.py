"""Textures and layouts of the background.

Only additions, multiplications, divisions and comparisons are used on
arrays: they round the same way on every processor, so the same seed gives
the same pixels everywhere, which sines and matrix products do not promise.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


def _lattice(
    length: int, cell: float, offset: float
) -> tuple[NDArray[np.int64], Array]:
    position = np.arange(length, dtype=np.float32) / np.float32(
        cell
    ) + np.float32(offset)
    cells = position.astype(np.int64)
    return cells, position - cells.astype(np.float32)


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


def band_layout(
    rng: np.random.Generator,
    shape: tuple[int, int],
    unit: float,
    order: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Divide an image into wavy horizontal bands and, often, a lake.

    Args:
        rng: Source of randomness.
        shape: Height and width in pixels.
        unit: Scale of the scene in pixels.
        order: Class index of each band from the top, and last the lake's.

    Returns:
        Array (height, width) of class indices.
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
