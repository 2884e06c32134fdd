"""Mean raw loss of each objective over a round."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine import dist
from torch import Tensor

from mmada.models.objectives import ObjectiveError, Objectives


class ObjectiveMeter:
    """Averages objectives over the iterations in which they are present.

    A cascade stage without proposals leaves its losses out of an iteration;
    counting it as zero would make the loss look better than it is.
    """

    def __init__(self, objectives: Objectives) -> None:
        self.objectives = objectives
        # Numbers, since adding to single entries of a tensor is slow.
        self._sums = [0.0] * len(objectives)
        self._counts = [0.0] * len(objectives)

    @torch.no_grad()
    def update(self, log_vars: Mapping[str, Tensor]) -> None:
        """Add one iteration's raw losses (by loss name, scalars)."""
        for i, value in self.objectives.reduce(log_vars).items():
            self._sums[i] += float(value)
            self._counts[i] += 1

    def mean(self) -> Tensor:
        """Return the mean raw losses over all ranks, shape (n,), float64.

        Raises:
            ObjectiveError: If an objective was in no iteration.
        """
        sums, counts = _tensor(self._sums), _tensor(self._counts)
        if dist.is_distributed():
            sums, counts = (
                x.to(dist.get_comm_device()) for x in (sums, counts)
            )
            dist.all_reduce(sums)
            dist.all_reduce(counts)
            sums, counts = sums.cpu(), counts.cpu()
        missing = [
            name
            for name, count in zip(self.objectives.names, counts, strict=True)
            if count == 0
        ]
        if missing:
            raise ObjectiveError(
                f'Objective(s) {", ".join(map(repr, missing))} appeared in '
                'no iteration of the round, so no weight can be found.'
            )
        return sums / counts


def _tensor(values: list[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


# ~~ iteration_losses: The losses of a single iteration, the same on all ra


@torch.no_grad()
def iteration_losses(found: Mapping[int, Tensor], size: int) -> Tensor:
    """Average the objectives' losses over the ranks that have them.

    Args:
        found: This rank's scalars by objective index; some may be absent.
        size: Number n of objectives.

    Returns:
        Means, float64 on the CPU, shape (n,); NaN where no rank has a loss.
    """
    losses = torch.full((size,), math.nan, dtype=torch.float64)
    if found:  # as one tensor, since each transfer waits for the device
        values = [value.detach().double() for value in found.values()]
        losses[list(found)] = torch.stack(values).cpu()
    if not dist.is_distributed():
        return losses
    present = ~losses.isnan()
    sums = torch.stack([losses.masked_fill(~present, 0), present.double()])
    sums = sums.to(dist.get_comm_device())
    dist.all_reduce(sums)
    total, count = sums.cpu()
    return total / count  # 0 / 0 is NaN


# ~~ period_means: Mean weights and losses of the iterations of a period.


class PeriodMeans:
    """Averages weights over all iterations, losses where there are some.

    Args:
        size: Number n of objectives.
    """

    def __init__(self, size: int) -> None:
        # Rows: weights and losses; and in how many iterations there was one.
        self._sums = torch.zeros(2, size, dtype=torch.float64)
        self._counts = torch.zeros_like(self._sums)

    def add(self, weights: Sequence[float], losses: Tensor) -> None:
        """Add an iteration; a loss that is not finite counts as absent."""
        both = torch.stack(
            [torch.tensor(weights, dtype=torch.float64), losses]
        )
        self._sums += both.where(both.isfinite(), 0.0)
        self._counts += both.isfinite()

    @property
    def weights(self) -> list[float]:
        """The mean weights."""
        return (self._sums[0] / self._counts[0]).tolist()

    @property
    def losses(self) -> Tensor:
        """The mean losses, NaN where an objective was always absent."""
        return self._sums[1] / self._counts[1]  # 0 / 0 is NaN

    def state_dict(self) -> dict[str, Any]:
        """Return the sums and counts so far."""
        return dict(sums=self._sums.clone(), counts=self._counts.clone())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from stored sums and counts."""
        self._sums = state['sums'].clone()
        self._counts = state['counts'].clone()
