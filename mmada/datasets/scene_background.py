"""Backgrounds of scenes: bands of stuff, lakes and unlabelled debris."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmada.datasets.scene_textures import TEXTURES, value_noise
from mmada.datasets.scenes.classes import STUFF
from mmada.datasets.scenes.drawing import Sprite, paste

CONTRAST = dict(sky=16.0, water=24.0, grass=30.0, forest=26.0)
VOID_OWNER = 0

Array = NDArray[np.float32]
Owners = NDArray[np.int64]


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
