"""Small landscapes with balls, rings, crates and kites, and their truth.

A scene is a pure function of (seed, split, index, size). Lengths are in
units of a 64th of the shorter side, so that scenes of different sizes look
alike and a detector that learns one size learns the others.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .scene_classes import EARTHY, STUFF, THINGS, WARM, SceneClass
from .scene_shapes import Sprite, draw_sprite, paste
from .scene_textures import TEXTURES, band_layout, value_noise

SPLITS = ('train', 'reward', 'test')
MIN_SIZE = (64, 96)
CONTRAST = dict(sky=16.0, water=24.0, grass=30.0, forest=26.0)
MIN_AREA = 6
MAX_THINGS = 12
RADII = (2.5, 17.5)
"""Radius of the smallest and the largest things."""
_VOID, _FIRST_THING = 0, 1 + len(STUFF)

Array = NDArray[np.float32]
Owners = NDArray[np.int64]


class Scene(NamedTuple):
    """An image with its panoptic truth.

    Attributes:
        image: RGB image (height, width, 3).
        id_map: Segment ids (height, width), 0 is void.
        segments: One ``segments_info`` entry for each segment.
    """

    image: NDArray[np.uint8]
    id_map: NDArray[np.int64]
    segments: list[dict[str, Any]]


class _Plan(NamedTuple):
    """Where to draw one segment's things: (row, column, radius) each."""

    category: SceneClass
    places: list[tuple[float, float, float]]
    crowd: bool


def scene_rng(seed: int, split: str, index: int) -> np.random.Generator:
    """Return the generator of one image, independent of all others.

    Args:
        seed: Seed of the dataset, >= 0.
        split: One of ``SPLITS``.
        index: Number of the image in its split, >= 0.

    Raises:
        ValueError: If the split is unknown.
    """
    if split not in SPLITS:
        raise ValueError(f'split should be one of {SPLITS}, found {split!r}')
    key = (SPLITS.index(split), index)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def draw_scene(
    rng: np.random.Generator,
    size: tuple[int, int],
    min_radius: float = RADII[0],
) -> Scene:
    """Draw one scene.

    Args:
        rng: Source of randomness, used up by the scene.
        size: Height and width in pixels, at least 64 and 96 (or 96 and 64).
        min_radius: Radius of the smallest things but crowds'.

    Returns:
        The image and its truth.

    Raises:
        ValueError: If the size is too small.
    """
    if min(size) < min(MIN_SIZE) or max(size) < max(MIN_SIZE):
        raise ValueError(f'size should be at least {MIN_SIZE}, found {size}')
    unit = min(size) / min(MIN_SIZE)
    canvas, owners = _draw_background(rng, size, unit)
    plans = _plan_things(rng, size, unit, min_radius)
    for number, plan in enumerate(plans):
        _draw_plan(rng, canvas, owners, plan, _FIRST_THING + number)
    image = _expose(rng, canvas)
    id_map, segments = _label(owners, plans)
    return Scene(image, id_map, segments)


def _draw_background(
    rng: np.random.Generator, size: tuple[int, int], unit: float
) -> tuple[Array, Owners]:
    order = rng.permutation(len(STUFF))
    if rng.random() < 0.6:
        # Most landscapes have the sky on top.
        order = np.concatenate([[0], order[order != 0]])
    bands = int(rng.integers(2, len(STUFF)))
    layout = band_layout(rng, size, unit, order[: bands + 1])
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
    center = _position(rng, canvas.shape)
    colors = np.repeat(grey, 3, axis=2)
    paste(canvas, owners, Sprite(alpha, colors), center, _VOID)


def _void_edges(owners: Owners, layout: Owners) -> None:
    """Leave the pixels on both sides of a border of bands unlabelled."""
    down = layout[1:] != layout[:-1]
    owners[1:][down] = _VOID
    owners[:-1][down] = _VOID


def _position(
    rng: np.random.Generator, shape: tuple[int, ...]
) -> tuple[int, int]:
    y, x = rng.random(2)
    return int(y * shape[0]), int(x * shape[1])


def _plan_things(
    rng: np.random.Generator,
    size: tuple[int, int],
    unit: float,
    min_radius: float,
) -> list[_Plan]:
    plans: list[_Plan] = []
    spread = RADII[1] / min_radius
    for _ in range(int(rng.integers(2, 7))):
        category = THINGS[int(rng.integers(len(THINGS)))]
        radius = min_radius * unit * float(spread ** rng.random())
        y, x = map(float, _position(rng, size))
        plans.append(_Plan(category, [(y, x, radius)], False))
        # A neighbour of the same class, touching or overlapping: telling
        # the two apart needs instances, not only classes.
        while len(plans) < MAX_THINGS and rng.random() < 0.4:
            y, x, radius = _beside(rng, y, x, radius)
            plans.append(_Plan(category, [(y, x, radius)], False))
    plans.sort(key=lambda plan: -plan.places[0][2])
    if rng.random() < 0.2:
        plans.insert(0, _plan_crowd(rng, size, unit))
    return plans


def _beside(
    rng: np.random.Generator, y: float, x: float, radius: float
) -> tuple[float, float, float]:
    v = rng.random(3)
    other = radius * (0.7 + 0.6 * v[0])
    reach = (radius + other) * (0.5 + 0.4 * v[1])
    t = 2 * v[2] - 1
    side = 1 if rng.random() < 0.5 else -1
    return (
        y + reach * 2 * t / (1 + t * t),
        x + side * reach * (1 - t * t) / (1 + t * t),
        other,
    )


def _plan_crowd(
    rng: np.random.Generator, size: tuple[int, int], unit: float
) -> _Plan:
    category = THINGS[int(rng.integers(len(THINGS)))]
    y, x = _position(rng, size)
    count = int(rng.integers(6, 13))
    spread = (rng.random((count, 2)) - 0.5) * (18 * unit, 30 * unit)
    radii = (2.5 + 2 * rng.random(count)) * unit
    places = [
        (y + float(dy), x + float(dx), float(r))
        for (dy, dx), r in zip(spread, radii, strict=True)
    ]
    return _Plan(category, places, True)


def _draw_plan(
    rng: np.random.Generator,
    canvas: Array,
    owners: Owners,
    plan: _Plan,
    owner: int,
) -> None:
    for y, x, radius in plan.places:
        v = rng.random(10)
        paints = plan.category.paints
        if v[8] < 0.15:
            paints = EARTHY if paints is WARM else WARM
        paint = np.array(paints[int(v[9] * len(paints))], dtype=np.float32)
        paint += (v[5:8] * 50 - 25).astype(np.float32)
        sprite = draw_sprite(plan.category.name, radius, paint, v[:5])
        paste(canvas, owners, sprite, (int(y), int(x)), owner)


def _expose(rng: np.random.Generator, canvas: Array) -> NDArray[np.uint8]:
    """Apply exposure, a light gradient and sensor noise."""
    v = rng.random(2)
    across = np.arange(canvas.shape[1], dtype=np.float32) / np.float32(
        canvas.shape[1]
    )
    gain = np.float32(0.8 + 0.3 * v[0]) + across * np.float32(
        0.3 * v[1] - 0.15
    )
    noise = rng.integers(-7, 8, size=canvas.shape, dtype=np.int8)
    image = canvas * gain[None, :, None] + noise
    return np.clip(image, 0, 255).astype(np.uint8)


def _label(
    owners: Owners, plans: list[_Plan]
) -> tuple[NDArray[np.int64], list[dict[str, Any]]]:
    """Give the segments their ids and describe them.

    What is left of a covered thing, if it is only a few pixels, becomes
    void: nobody could name it.
    """
    categories = [*STUFF, *(plan.category for plan in plans)]
    crowds = [False] * len(STUFF) + [plan.crowd for plan in plans]
    areas = np.bincount(owners.ravel(), minlength=len(categories) + 1)
    ids = np.zeros(len(categories) + 1, dtype=np.int64)
    segments = []
    for owner, category in enumerate(categories, start=1):
        if areas[owner] < MIN_AREA:
            continue
        r, g, b = category.color
        ids[owner] = r + owner + 256 * g + 65536 * b
        segments.append(
            dict(
                id=int(ids[owner]),
                category_id=category.id,
                area=int(areas[owner]),
                bbox=_bbox(owners == owner),
                iscrowd=int(crowds[owner - 1]),
            )
        )
    return ids[owners], segments


def _bbox(mask: NDArray[np.bool_]) -> list[int]:
    rows = np.flatnonzero(mask.any(axis=1))
    cols = np.flatnonzero(mask.any(axis=0))
    return [
        int(cols[0]),
        int(rows[0]),
        int(cols[-1] - cols[0] + 1),
        int(rows[-1] - rows[0] + 1),
    ]
