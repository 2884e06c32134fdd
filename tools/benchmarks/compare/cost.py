"""What a job costs: counted where it happens, in units of one training."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.model import BaseModel


class Counts(NamedTuple):
    """What was really run.

    Attributes:
        iterations: Forward passes with losses, of all replicas and probes.
        images: Images that were predicted, of all evaluations.
        seconds: Processor time, set-up left out.
    """

    iterations: int = 0
    images: int = 0
    seconds: float = 0.0


class Unit(NamedTuple):
    """One training of a problem with all weights 1.

    Attributes:
        iterations: Of the training.
        iteration: Processor time of one, in seconds.
        image: Processor time of an image's prediction and its scores.
    """

    iterations: int
    iteration: float
    image: float


def total(parts: list[Counts]) -> Counts:
    """Add up what several jobs ran."""
    return Counts(
        sum(part.iterations for part in parts),
        sum(part.images for part in parts),
        sum(part.seconds for part in parts),
    )


def cost(counts: Counts, unit: Unit) -> float:
    r"""Return what was run in units of one training.

    .. math:: \frac{\text{iterations}}{I} + \text{images} \cdot
        \frac{t_\text{image}}{I \, t_\text{iteration}}

    The counts are exact and the same on every machine; the one ratio that is
    measured, once a problem, is that of an evaluated image to a training.
    More than one backward pass an iteration does not show here, but in the
    processor time.

    Args:
        counts: What was run; evaluations of the test images are left out.
        unit: One training: I iterations.
    """
    image = unit.image / (unit.iterations * unit.iteration)
    return counts.iterations / unit.iterations + counts.images * image


class Counter:
    """Counts the forward passes of a job's model, over its restarts.

    What is noted survives a kill: whenever an evaluation has ended, which is
    when a search has committed a replica.

    Args:
        path: Where the counts are noted.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._counts = Counts()
        self.starts = 1
        if path.exists():
            noted = json.loads(path.read_text())
            self.starts += noted.pop('starts')
            self._counts = Counts(**noted)
        self._began = time.process_time()
        self._evaluated = False
        self._note()

    def watch(self, model: BaseModel) -> None:
        """Begin to count."""
        model.register_forward_hook(self._see, with_kwargs=True)
        self._began = time.process_time()

    def read(self) -> Counts:
        """Return the counts so far and note them."""
        self._note()
        return self._now()

    def _now(self) -> Counts:
        seconds = time.process_time() - self._began
        return self._counts._replace(seconds=self._counts.seconds + seconds)

    def _see(
        self, model: BaseModel, args: Any, kwargs: dict[str, Any], output: Any
    ) -> None:
        iterations, images, _ = self._counts
        if kwargs['mode'] == 'loss':
            if self._evaluated:
                self._note()
            iterations += 1
        else:
            images += len(kwargs['data_samples'])
        self._evaluated = kwargs['mode'] != 'loss'
        self._counts = self._counts._replace(
            iterations=iterations, images=images
        )

    def _note(self) -> None:
        noted = dict(self._now()._asdict(), starts=self.starts)
        partial = self._path.with_suffix('.tmp')
        partial.write_text(json.dumps(noted))
        partial.replace(self._path)
