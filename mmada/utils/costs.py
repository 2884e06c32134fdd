"""What is run, counted, and its cost in units of one training."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Counts(NamedTuple):
    """What is run.

    Attributes:
        iterations: Forward passes with losses, of all replicas and probes.
        images: Images that are predicted, of all evaluations.
        seconds: Processor time, set-up left out; 0 where none was measured.
    """

    iterations: int = 0
    images: int = 0
    seconds: float = 0.0


class Unit(NamedTuple):
    """One training of a problem with all weights 1.

    Attributes:
        iterations: Of the training.
        iteration: Time of one, in seconds.
        image: Time of an image's prediction and its scores.
    """

    iterations: int
    iteration: float
    image: float


def total(parts: Iterable[Counts]) -> Counts:
    """Add up what several jobs or parts of one run."""
    iterations, images, seconds = Counts()
    for part in parts:
        iterations += part.iterations
        images += part.images
        seconds += part.seconds
    return Counts(iterations, images, seconds)


def cost(counts: Counts, unit: Unit) -> float:
    r"""Return what is run in units of one training.

    .. math:: \frac{\text{iterations}}{I} + \text{images} \cdot
        \frac{t_\text{image}}{I \, t_\text{iteration}}

    The counts are exact and the same on every machine; the one ratio that is
    measured is that of an evaluated image to a training. More than one
    backward pass an iteration does not show here, but in the processor time.

    Args:
        counts: What is run; evaluations of test images are left out.
        unit: One training: I iterations.
    """
    image = unit.image / (unit.iterations * unit.iteration)
    return counts.iterations / unit.iterations + counts.images * image
