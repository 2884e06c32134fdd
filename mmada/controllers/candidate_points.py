"""The points that the candidates of a BOHB search try."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from mmada.controllers.bohb.hyperband import Hyperband
from mmada.controllers.bohb.optuna_study import suggest
from mmada.controllers.weight_draws import check_weights
from mmada.policies.ensemble import WEIGHT_FLOOR
from mmada.utils.checks import check_number


def mean_one(point: Sequence[float]) -> Tensor:
    """Return the weights that a point stands for, shape ``(n,)``."""
    vector = torch.tensor(point, dtype=torch.float64)
    return (vector / vector.mean()).clamp(min=WEIGHT_FLOOR)


class CandidatePoints:
    """Gives the listed points first, then samples.

    Args:
        size: Numbers n of a point.
        first: The first points; None for all ones.
        spread: Samples are in [1 / spread, spread].
        random_fraction: Part of the samples that no model has a say in.
        generator: Random stream of the samples.

    Raises:
        ValueError: If a value is out of range.
    """

    def __init__(
        self,
        size: int,
        first: Sequence[Sequence[float]] | None,
        spread: float,
        random_fraction: float,
        generator: Generator,
    ) -> None:
        self.size = size
        self.spread = check_number(
            'spread', spread, 1, WEIGHT_FLOOR**-0.5, above=True
        )
        self._random = check_number('random_fraction', random_fraction, 0, 1)
        self._first = [self._checked(p) for p in (first or [[1.0] * size])]
        self._generator = generator

    def _checked(self, point: Sequence[float]) -> list[float]:
        """Scale a point into the middle of the space."""
        logs = check_weights('start', point, self.size).log()
        logs = logs - (logs.max() + logs.min()) / 2
        if float(logs.max()) > math.log(self.spread):
            raise ValueError(
                '`start` should hold weights at most '
                f'{self.spread**2:g} times each other (`spread` squared). '
                f'Found {list(point)}.'
            )
        return logs.exp().tolist()

    def next(self, race: Hyperband) -> list[float]:
        """Return the point of the next candidate."""
        number = len(race.candidates)
        if number < len(self._first):
            return self._first[number]
        stream = self._generator
        seed = int(torch.randint(2**31, (), generator=stream))
        chance = float(torch.rand((), generator=stream, dtype=torch.float64))
        age = None if chance < self._random else self._model_age(race)
        return suggest(race.candidates, age, self.size, self.spread, seed)

    def _model_age(self, race: Hyperband) -> int | None:
        """Return the largest rung with more metrics than BOHB's n + 2."""
        for age in reversed(race.ages):
            known = [c for c in race.candidates if c.age >= age or c.diverged]
            if len(known) > self.size + 2:
                return age
        return None
