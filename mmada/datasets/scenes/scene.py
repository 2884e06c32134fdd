"""Small landscapes with balls, rings, crates and kites, and their truth.

A scene is a pure function of (seed, split, index, size, min_radius). Lengths
are in units of a 64th of the shorter side, so that scenes of different sizes
look alike and a detector that learns one size learns the others.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmada.datasets.coco_panoptic import mask_box
from mmada.datasets.scenes.classes import (
    EARTHY,
    STUFF,
    THINGS,
    WARM,
    SceneClass,
)
from mmada.datasets.scenes.drawing import (
    Array,
    Owners,
    draw_background,
    draw_sprite,
    paste,
    random_position,
)

SPLITS = ('train', 'reward', 'test')
MIN_SIZE = (64, 96)
MIN_AREA = 6
MAX_THINGS = 12
RADII = (2.5, 17.5)
"""Radius in units of the smallest and of the largest things."""

_FIRST_THING = 1 + len(STUFF)


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
        raise ValueError(
            f'`split` should be one of {SPLITS}. Found {split!r}.'
        )
    key = (SPLITS.index(split), index)
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


def check_size(size: tuple[int, int]) -> None:
    """Check the height and width of a scene, in either order.

    Raises:
        ValueError: If it is too small.
    """
    if min(size) < min(MIN_SIZE) or max(size) < max(MIN_SIZE):
        raise ValueError(
            f'`size` should be at least {MIN_SIZE}. Found {size}.'
        )


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
    check_size(size)
    unit = min(size) / min(MIN_SIZE)
    canvas, owners = draw_background(rng, size, unit)
    plans = plan_things(rng, size, unit, min_radius)
    for number, plan in enumerate(plans):
        draw_plan(rng, canvas, owners, plan, _FIRST_THING + number)
    image = _expose(rng, canvas)
    id_map, segments = _label(owners, plans)
    return Scene(image, id_map, segments)


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
    owners: Owners, plans: list[Plan]
) -> tuple[NDArray[np.int64], list[dict[str, Any]]]:
    """Give the segments their ids and describe them.

    What is left of a covered thing becomes void if it is only a few pixels,
    too few to recognise it.
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
                bbox=mask_box(owners == owner),
                iscrowd=int(crowds[owner - 1]),
            )
        )
    return ids[owners], segments


class Plan(NamedTuple):
    """Where to draw one segment's things: (row, column, radius) each."""

    category: SceneClass
    places: list[tuple[float, float, float]]
    crowd: bool


def plan_things(
    rng: np.random.Generator,
    size: tuple[int, int],
    unit: float,
    min_radius: float,
) -> list[Plan]:
    """Choose what to draw, from back to front.

    Args:
        rng: Source of randomness.
        size: Height and width in pixels.
        unit: Scale of the scene in pixels.
        min_radius: Radius in units of the smallest things but crowds'.
    """
    plans: list[Plan] = []
    spread = RADII[1] / min_radius
    for _ in range(int(rng.integers(2, 7))):
        category = THINGS[int(rng.integers(len(THINGS)))]
        radius = min_radius * unit * float(spread ** rng.random())
        y, x = map(float, random_position(rng, size))
        plans.append(Plan(category, [(y, x, radius)], False))
        # A neighbour of the same class, touching or overlapping: telling
        # the two apart needs instances, not only classes.
        while len(plans) < MAX_THINGS and rng.random() < 0.4:
            y, x, radius = _beside(rng, y, x, radius)
            plans.append(Plan(category, [(y, x, radius)], False))
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
) -> Plan:
    category = THINGS[int(rng.integers(len(THINGS)))]
    y, x = random_position(rng, size)
    count = int(rng.integers(6, 13))
    spread = (rng.random((count, 2)) - 0.5) * (18 * unit, 30 * unit)
    radii = (2.5 + 2 * rng.random(count)) * unit
    places = [
        (y + float(dy), x + float(dx), float(r))
        for (dy, dx), r in zip(spread, radii, strict=True)
    ]
    return Plan(category, places, True)


def draw_plan(
    rng: np.random.Generator,
    canvas: Array,
    owners: Owners,
    plan: Plan,
    owner: int,
) -> None:
    """Draw the things of one segment.

    Args:
        rng: Source of randomness.
        canvas: RGB image (height, width, 3), changed in place.
        owners: Which segment owns each pixel, changed in place.
        plan: What to draw.
        owner: Number of the segment.
    """
    for y, x, radius in plan.places:
        v = rng.random(10)
        paints = plan.category.paints
        if v[8] < 0.15:
            paints = EARTHY if paints is WARM else WARM
        paint = np.array(paints[int(v[9] * len(paints))], dtype=np.float32)
        paint += (v[5:8] * 50 - 25).astype(np.float32)
        sprite = draw_sprite(plan.category.name, radius, paint, v[:5])
        paste(canvas, owners, sprite, (int(y), int(x)), owner)
