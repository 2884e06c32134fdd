"""Random weights: static ones to choose from, and a control.

:class:`RandomSearch` tries static weights, one whole training a candidate;
:class:`RandomWeights` draws anew each round and keeps the best replica.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mmada.controllers.weight_search import (
    REPLAY,
    ScheduleSearch,
    StaticSearch,
    log_normal,
)
from mmada.policies.ensemble import WEIGHT_FLOOR
from mmada.utils.checks import check_number


class RandomSearch(StaticSearch):
    """Static weights drawn log-uniformly, the first candidate all ones.

    Args:
        num_objectives: Number n of losses that are weighted.
        num_rounds: Number T of rounds.
        num_replicas: Number m of replicas; T m is the number of candidates.
        low: Smallest weight. Defaults to 0.1.
        high: Largest weight. Defaults to 10.
        seed: Seed of the draws. Defaults to 0.

    Raises:
        ValueError: If a value is out of range.
    """

    def __init__(
        self,
        num_objectives: int,
        num_rounds: int,
        num_replicas: int,
        low: float = 0.1,
        high: float = 10.0,
        seed: int = 0,
    ) -> None:
        super().__init__(
            num_objectives,
            num_rounds,
            num_replicas,
            seed,
            dict(low=low, high=high),
        )
        self._low = math.log(check_number('low', low, WEIGHT_FLOOR))
        self._high = math.log(check_number('high', high, low, above=True))

    def draw(self) -> Tensor:
        shares = torch.rand(
            self.num_replicas,
            self.num_objectives,
            dtype=torch.float64,
            generator=self.generator,
        )
        drawn = (self._low + (self._high - self._low) * shares).exp()
        if self.rounds_done == 0:
            drawn[0] = 1.0
        return drawn


class RandomWeights(ScheduleSearch):
    """Draws anew in every round and passes the best replica on.

    What a population gains by selection alone: nothing is learned, neither
    about the weights nor about the winners.

    Args:
        num_objectives: Number n of losses that are weighted.
        num_rounds: Number T of rounds.
        num_replicas: Number m of replicas.
        initial: Weights that all draws lie around; None for all ones.
            Defaults to None.
        sigma: Standard deviation of the logarithm of the factor on each
            weight. Defaults to 0.8.
        gamma: Discount of the ensemble (Eq. 7). Defaults to ``REPLAY``.
        seed: Seed of the draws. Defaults to 0.

    Raises:
        ValueError: If a value is out of range.
    """

    def __init__(
        self,
        num_objectives: int,
        num_rounds: int,
        num_replicas: int,
        initial: Sequence[float] | None = None,
        sigma: float = 0.8,
        gamma: float = REPLAY,
        seed: int = 0,
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
        )

    def draw(self) -> Tensor:
        return log_normal(
            self._initial, self._sigma, self.num_replicas, self.generator
        )
