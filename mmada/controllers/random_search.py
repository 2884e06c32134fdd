"""Random weights: static ones to choose from, and a control.

:class:`RandomSearch` tries static weights, one whole training a candidate;
:class:`RandomWeights` draws anew each round and keeps the best replica.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mmada.controllers.static_search import StaticSearch
from mmada.controllers.weight_search import (
    REPLAY,
    InitialWeights,
    ScheduleSearch,
)
from mmada.policies.ensemble import WEIGHT_FLOOR
from mmada.policies.policy import GroupPolicy, Policy, mean_one_weights
from mmada.utils.checks import check_bool, check_int, check_number


class RandomSearch(StaticSearch):
    """Static weights: log-uniform factors, the first candidate without.

    All candidates have the mean of the initial weights, since a factor on all
    weights is a learning rate. With `initial='inverse_loss'` the factors are
    what is found: a policy, which gives other weights for losses of other
    scales.

    Args:
        num_objectives: Number n of losses that are weighted.
        num_rounds: Number T of rounds.
        num_replicas: Number m of replicas; T m / R is the number of
            candidates.
        low: Smallest factor on an initial weight. Defaults to 0.1.
        high: Largest one. Defaults to 10.
        seed: Seed of the draws. Defaults to 0.
        initial: Weights of the first candidate, which the factors are on;
            ``'inverse_loss'`` for inverse-loss weighting of l^1, None for all
            ones. Defaults to None.
        groups: Indices of the objectives of each group that shares a factor.
            Defaults to one group for each objective.
        rounds_per_training: Rounds R of a training. Defaults to 1.
        control: Whether the last of the first m candidates has all weights 1,
            so that what is found is no worse on the reward images; without
            `initial` the first one has them anyway. Defaults to False.

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
        initial: InitialWeights = None,
        groups: Sequence[Sequence[int]] | None = None,
        rounds_per_training: int = 1,
        control: bool = False,
    ) -> None:
        super().__init__(
            num_objectives,
            num_rounds,
            num_replicas,
            seed,
            dict(low=low, high=high),
            initial,
            groups,
            rounds_per_training,
        )
        self._control = check_bool('control', control) and initial is not None
        if self._control:
            check_int('num_replicas', num_replicas, 2)
            self._identity['options']['control'] = True
        self._low = math.log(check_number('low', low, WEIGHT_FLOOR))
        self._high = math.log(check_number('high', high, low, above=True))

    def draw(self) -> Tensor:
        shares = torch.rand(
            self.num_replicas,
            self.num_groups,
            dtype=torch.float64,
            generator=self.generator,
        )
        factors = (self._low + (self._high - self._low) * shares).exp()
        first = self.trainings_done == 0
        if first:
            factors[0] = 1.0
        logs = self.initial.log() + self.expand(factors.log())
        drawn = self.initial.mean() * mean_one_weights(logs)
        if first and self._control:
            drawn[-1] = 1.0
        return drawn

    def _policy_of(self, weights: Tensor) -> Policy:
        control = self._control and bool((weights == 1).all())
        # Candidates of earlier versions had other means than a policy gives.
        mean_one = math.isclose(float(weights.mean()), 1, rel_tol=1e-6)
        if not self.needs_losses or control or not mean_one:
            return super()._policy_of(weights)
        assert self._initial_losses is not None
        policy = GroupPolicy(self.num_objectives, self._groups, start=1.0)
        policy.requires_grad_(False)
        policy.move(policy.coordinates(weights.log(), self._initial_losses))
        return policy


class RandomWeights(ScheduleSearch):
    """Draws anew in every round and passes the best replica on.

    What a population gains by selection alone: nothing is learned, neither
    about the weights nor about the winners.

    Args:
        num_objectives: Number n of losses that are weighted.
        num_rounds: Number T of rounds.
        num_replicas: Number m of replicas.
        initial: Weights that all draws lie around; ``'inverse_loss'`` for
            inverse-loss weighting of l^1, None for all ones. Defaults to
            None.
        sigma: Standard deviation of the logarithm of the factor on each
            weight. Defaults to 0.8.
        gamma: Discount of the ensemble (Eq. 7). Defaults to ``REPLAY``.
        seed: Seed of the draws. Defaults to 0.
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
        sigma: float = 0.8,
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
        return self.perturbed(self.initial, self._sigma, self.num_replicas)
