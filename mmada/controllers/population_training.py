"""Population-based training of loss weights: keep the best, perturb it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mmada.controllers.weight_search import (
    REPLAY,
    InitialWeights,
    ScheduleSearch,
)
from mmada.utils.checks import check_number


class PopulationTraining(ScheduleSearch):
    """Baseline-P of Ada-Segment: population-based training (1711.09846).

    All replicas of a round start from the winner of the one before. The
    first keeps the winner's weights, the others train with perturbed ones;
    nothing else is learned.

    Args:
        num_objectives: Number n of losses that are weighted.
        num_rounds: Number T of rounds.
        num_replicas: Number m of replicas.
        initial: Weights of the first round's first replica;
            ``'inverse_loss'`` for inverse-loss weighting of l^1, None for all
            ones. Defaults to None.
        sigma: Standard deviation of the logarithm of the factor on each
            weight. Defaults to 0.2.
        gamma: Discount of the ensemble (Eq. 7). Defaults to ``REPLAY``.
        seed: Seed of the perturbations. Defaults to 0.
        groups: Indices of the objectives of each group that shares a factor.
            Defaults to one group for each objective.

    Raises:
        ValueError: If a value is out of range.
    """

    def __init__(
        self,
        num_objectives: int,
        num_rounds: int,
        num_replicas: int,
        initial: InitialWeights = None,
        sigma: float = 0.2,
        gamma: float = REPLAY,
        seed: int = 0,
        groups: Sequence[Sequence[int]] | None = None,
    ) -> None:
        self._sigma = check_number('sigma', sigma, 0, above=True)
        super().__init__(
            num_objectives,
            num_rounds,
            num_replicas,
            seed,
            initial,
            gamma,
            dict(sigma=sigma),
            groups,
        )

    def draw(self) -> Tensor:
        others = self.perturbed(
            self.centre, self._sigma, self.num_replicas - 1
        )
        return torch.cat([self.centre.unsqueeze(0), others])
