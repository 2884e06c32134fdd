"""Textures of the background.

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
