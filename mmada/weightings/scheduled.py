"""Weights that follow schedules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mmada.weightings.schedule import Schedule
from mmada.weightings.step import StepWeighting


class ScheduledWeighting(StepWeighting):
    """Weights that were planned before the training.

    Progress is the share of the iterations done, so that one plan fits a
    training of any length: epoch e of E begins at (e - 1) / E.

    Args:
        schedules: Objective to its schedule, a constant or the arguments of
            a :class:`Schedule`. Objectives that are not named keep 1.

    Raises:
        ValueError: If a schedule is not legal, naming its objective, or no
            objectives are named.
    """

    def __init__(
        self, schedules: Mapping[str, float | Mapping[str, Any]]
    ) -> None:
        if not isinstance(schedules, Mapping):
            raise ValueError(
                f'`schedules` is {schedules!r}; expected a dict of objectives '
                'and their schedules.'
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
                f'`schedules` names {", ".join(map(repr, unknown))}; '
                f'expected objectives among: {", ".join(names)}.'
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
