"""Means of losses: over an iteration's ranks, a round, a period.

An objective may be without a measurement in an iteration: a cascade stage
without proposals leaves its losses out, images without targets give exactly 0,
half precision overflows. Counting such a loss would make it look better or
worse than it is. So all means are over those iterations and ranks that have
measured one, see :func:`mmada.utils.measurements.measured`, and it is NaN
where none has.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch
from mmengine import dist
from mmengine.logging import print_log
from torch import Tensor

from mmada.models.objectives import Objectives
from mmada.utils.measurements import known_losses, measured


class Meter(Protocol):
    """Sums up what a segment logs."""

    def update(self, log_vars: Mapping[str, Tensor]) -> None:
        """Add one iteration's scalars."""

    def mean(self) -> Tensor:
        """Return the means over all iterations and ranks, a vector."""


class ObjectiveMeter:
    """Averages raw losses over the iterations of a round and over the ranks.

    Args:
        objectives: Which losses belong together.
    """

    def __init__(self, objectives: Objectives) -> None:
        self.objectives = objectives
        self._losses = _RunningMean(len(objectives))

    @torch.no_grad()
    def update(self, log_vars: Mapping[str, Tensor]) -> None:
        """Add one iteration's raw losses (by loss name, scalars)."""
        found = self.objectives.reduce(log_vars)
        self._losses.add(_losses_of(found, len(self.objectives)))

    def mean(self) -> Tensor:
        """Return the mean raw losses over all ranks, shape (n,), float64.

        NaN where an objective was measured in no iteration.
        """
        sums = _sum_over_ranks(self._losses.sums)
        counts = _sum_over_ranks(self._losses.counts)
        return sums / counts  # 0 / 0 is NaN


class MissingLosses:
    """Warns once of each objective that a whole period has not measured.

    Args:
        names: Of the n objectives.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._noted: set[str] = set()

    def note(self, means: Tensor) -> None:
        """Take note of the mean losses of a period or round, shape (n,)."""
        missing = [
            name
            for name, known in zip(
                self._names, measured(means).tolist(), strict=True
            )
            if not known and name not in self._noted
        ]
        self._noted.update(missing)
        if missing:
            print_log(
                f'Objective(s) {", ".join(map(repr, missing))} had no loss in '
                'a whole period: it was absent, exactly 0 or not finite in '
                'each iteration, as without targets in the data. The last '
                'known value stands in for it, or, as long as there is none, '
                'that of a loss of the usual size.',
                logger='current',
                level=logging.WARNING,
            )


class PeriodMeans:
    """Averages weights over all iterations, losses where measured.

    Args:
        size: Number n of objectives.
    """

    def __init__(self, size: int) -> None:
        self._means = _RunningMean(2, size)  # weights and losses

    def add(self, weights: Sequence[float], losses: Tensor) -> None:
        """Add an iteration."""
        row = torch.tensor(weights, dtype=torch.float64)
        self._means.add(torch.stack([row, known_losses(losses)]))

    @property
    def weights(self) -> list[float]:
        """The mean weights."""
        return self._means.value[0].tolist()

    @property
    def losses(self) -> Tensor:
        """The mean losses, NaN where an objective was never measured."""
        return self._means.value[1]

    def state_dict(self) -> dict[str, Any]:
        """Return the sums and counts so far."""
        return dict(
            sums=self._means.sums.clone(), counts=self._means.counts.clone()
        )

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from stored sums and counts."""
        self._means.sums = state['sums'].clone()
        self._means.counts = state['counts'].clone()


@torch.no_grad()
def iteration_losses(found: Mapping[int, Tensor], size: int) -> Tensor:
    """Average the objectives' losses over the ranks that measured them.

    Args:
        found: This rank's scalars by objective index; some may be absent.
        size: Number n of objectives.

    Returns:
        Means, float64 on the CPU, shape (n,), the same on all ranks; NaN
        where no rank has measured one.
    """
    losses = _losses_of(found, size)
    if not dist.is_distributed():
        return losses
    present = ~losses.isnan()
    total, count = _sum_over_ranks(
        torch.stack([losses.masked_fill(~present, 0), present.double()])
    )
    return total / count  # 0 / 0 is NaN


class _RunningMean:
    """Sums what is finite, and counts it."""

    def __init__(self, *shape: int) -> None:
        self.sums = torch.zeros(shape, dtype=torch.float64)
        self.counts = torch.zeros_like(self.sums)

    def add(self, values: Tensor) -> None:
        self.sums += values.where(values.isfinite(), 0.0)
        self.counts += values.isfinite()

    @property
    def value(self) -> Tensor:
        return self.sums / self.counts  # 0 / 0 is NaN


def _losses_of(found: Mapping[int, Tensor], size: int) -> Tensor:
    """Return scalars by index as a vector, NaN for what is not measured."""
    losses = torch.full((size,), math.nan, dtype=torch.float64)
    if found:  # as one tensor, since each transfer waits for the device
        values = [value.detach().double() for value in found.values()]
        losses[list(found)] = torch.stack(values).cpu()
    return known_losses(losses)


def _sum_over_ranks(values: Tensor) -> Tensor:
    if not dist.is_distributed():
        return values
    values = values.to(dist.get_comm_device(), copy=True)
    dist.all_reduce(values)
    return values.cpu()
