"""Where the things of a scene are and how they are painted."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmada.datasets.scene_background import random_position
from mmada.datasets.scenes.classes import EARTHY, THINGS, WARM, SceneClass
from mmada.datasets.scenes.drawing import draw_sprite, paste

MAX_THINGS = 12
RADII = (2.5, 17.5)
"""Radius in units of the smallest and of the largest things."""

Array = NDArray[np.float32]
Owners = NDArray[np.int64]


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
