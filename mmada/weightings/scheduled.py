"""Weights that are planned before a training: constants and schedules."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from mmada.utils.checks import check_choice, check_number, check_numbers
from mmada.weightings.base import StepWeighting, Weighting


class ScheduledWeighting(StepWeighting):
    """Weights that were planned before the training.

    Progress is the share of the iterations done, so that one plan fits a
    training of any length: epoch e of E begins at (e - 1) / E.

    Args:
        schedules: Objective to its schedule, a constant or the arguments of
            a :class:`Schedule`. Objectives that are not named keep 1.

    Raises:
        ValueError: If a schedule is not valid, naming its objective, or no
            objectives are named.
    """

    def __init__(
        self, schedules: Mapping[str, float | Mapping[str, Any]]
    ) -> None:
        if not isinstance(schedules, Mapping):
            raise ValueError(
                '`schedules` should be a dict of objectives and their '
                f'schedules. Found {schedules!r}.'
            )
        self._schedules = {
            name: _build(name, given) for name, given in schedules.items()
        }

    def begin(self, names: Sequence[str]) -> None:
        """Learn the objectives.

        Raises:
            ValueError: If one that has a schedule is not among them.
        """
        super().begin(names)
        unknown = sorted(set(self._schedules) - set(names))
        if unknown:
            raise ValueError(
                f'`schedules` should name objectives among {list(names)}. '
                f'Found {unknown}.'
            )

    def weights(self, step: int, num_steps: int) -> Tensor:
        """Return the weights as planned; see :class:`StepWeighting`."""
        values = [
            self._schedules[name].at(step / num_steps)
            if name in self._schedules
            else 1.0
            for name in self.names
        ]
        return torch.tensor(values, dtype=torch.float64)


def _build(name: str, given: float | Mapping[str, Any]) -> Schedule:
    try:
        if isinstance(given, Mapping):
            return Schedule(**given)
        return Schedule([(0.0, given)])
    except (TypeError, ValueError) as error:
        raise ValueError(f'The schedule of {name!r}: {error}') from error


_SHAPES: dict[str, Callable[[float], float]] = dict(
    hold=lambda share: 0.0,
    linear=lambda share: share,
    cosine=lambda share: (1 - math.cos(math.pi * share)) / 2,
)
"""How much of the way from a point to the next is done."""


class Schedule:
    """Leads through points; holds the first value before, the last after.

    Args:
        points: Pairs of progress, rising within [0, 1], and value >= 0.
        shape: The way from a point to the next: 'hold' jumps at the next,
            'linear', or 'cosine', which is flat at both.

    Raises:
        ValueError: If an option is not like that.
    """

    def __init__(
        self, points: Sequence[Sequence[float]], shape: str = 'linear'
    ) -> None:
        if not points or any(len(point) != 2 for point in points):
            raise ValueError(
                '`points` should be one or more pairs of progress and value. '
                f'Found {points!r}.'
            )
        self._progress = [check_number('progress', p, 0, 1) for p, _ in points]
        self._values = [check_number('value', v, 0) for _, v in points]
        if any(a >= b for a, b in pairwise(self._progress)):
            raise ValueError(
                f'`points` should rise in progress. Found {points!r}.'
            )
        self._share = _SHAPES[check_choice('shape', shape, _SHAPES)]

    def at(self, progress: float) -> float:
        """Return the value at a progress."""
        after = bisect.bisect_right(self._progress, progress)
        if after == 0:
            return self._values[0]
        if after == len(self._values):
            return self._values[-1]
        begin, end = self._progress[after - 1 : after + 1]
        first, last = self._values[after - 1 : after + 1]
        share = self._share((progress - begin) / (end - begin))
        return first + share * (last - first)


class StaticWeighting(Weighting):
    """The same weights in every epoch.

    Args:
        weights: Positive weights, one per objective.

    Raises:
        ValueError: If there are none, or one is not positive and finite.
    """

    needs_losses = False

    def __init__(self, weights: Sequence[float] | Tensor) -> None:
        self._weights = check_numbers(
            'weights', weights, low=0, exclusive=True
        )

    def weights(self, epoch: int, num_epochs: int, losses: Tensor) -> Tensor:
        """Return the weights, whatever the epoch; see :class:`Weighting`."""
        return self._weights.clone()
