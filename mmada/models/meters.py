"""Mean raw loss of each objective over a round."""

from __future__ import annotations

from collections.abc import Mapping

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
        """Adds one iteration's raw losses (by loss name, scalars)."""
        for i, value in self.objectives.reduce(log_vars).items():
            self._sums[i] += float(value)
            self._counts[i] += 1

    def mean(self) -> Tensor:
        """Returns the mean raw losses over all ranks, shape (n,), float64.

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
