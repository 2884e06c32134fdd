"""AM-LFS's search for losses, with loss weights as what is searched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mmada.controllers.ada_segment.exploration import GaussianExploration
from mmada.controllers.ada_segment.learners import (
    Experience,
    ReinforceLearner,
    parameters_of,
)
from mmada.controllers.rewards import RoundRewards
from mmada.controllers.weight_search import (
    REPLAY,
    InitialWeights,
    ScheduleSearch,
)
from mmada.policies.policy import ConstantPolicy


class AmLfs(ScheduleSearch):
    """A mean vector learned by REINFORCE (AM-LFS, arXiv 1905.07375).

    Log-weights are drawn from N(mu, sigma^2) with a fixed sigma; each round
    moves mu by one Adam step, and all replicas of the next one start from
    the winner. Unlike Ada-Segment's policy, mu sees no losses.

    Args:
        num_objectives: Number n of losses that are weighted.
        num_rounds: Number T of rounds.
        num_replicas: Number m of replicas.
        initial: Weights exp(mu) of the start; ``'inverse_loss'`` for
            inverse-loss weighting of l^1, None for all ones. Defaults to
            None.
        sigma: Standard deviation of each log-weight. Defaults to 0.2.
        lr: Adam's learning rate. Defaults to 0.05.
        gamma: Discount of the ensemble (Eq. 7), which holds exp(mu) after
            the update of each round. Defaults to ``REPLAY``.
        seed: Seed of the samples. Defaults to 0.
        groups: Indices of the objectives of each group that shares a
            draw, and so a factor. Defaults to one group for each
            objective.

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
        lr: float = 0.05,
        gamma: float = REPLAY,
        seed: int = 0,
        groups: Sequence[Sequence[int]] | None = None,
    ) -> None:
        self._exploration = GaussianExploration(sigma)
        super().__init__(
            num_objectives,
            num_rounds,
            num_replicas,
            seed,
            initial,
            gamma,
            dict(sigma=sigma, lr=lr),
            groups,
        )
        self._policy = ConstantPolicy(num_objectives)
        self._learner = ReinforceLearner(self._policy, lr, weight_decay=0)
        # A policy without input takes the shape of its answer from them.
        self._no_losses = torch.zeros(num_objectives, dtype=torch.float64)

    @property
    def mean_weights(self) -> Tensor:
        """The weights exp(mu), once a round was proposed, shape ``(n,)``."""
        return self._policy.weights(self._no_losses).detach()

    def draw(self) -> Tensor:
        if not self._learner.optimizer.state:  # nothing was learned yet
            self._policy.load_state_dict(dict(log_weights=self.initial.log()))
        zeros = torch.zeros(self.num_groups, dtype=torch.float64)
        offsets = self._exploration.sample(
            zeros, self.num_replicas, 1.0, self.generator
        )
        mean = self._policy.log_weights.detach()
        return self._policy.decode(mean + self.expand(offsets))

    def learn(self, drawn: Tensor, rewarded: RoundRewards) -> None:
        one = torch.ones((), dtype=torch.float64)
        self._learner.update(
            self._policy,
            self._exploration,
            Experience(
                losses=self._no_losses,
                actions=drawn.log(),
                rewards=rewarded.rewards,
                scale=one,
                spread=rewarded.spread * one,
            ),
        )

    def _scheduled(self, winner: Tensor) -> Tensor:
        return self.mean_weights

    def _memory(self) -> dict[str, Any]:
        return super()._memory() | dict(
            policy=parameters_of(self._policy),
            learner=self._learner.state_dict(),
        )

    def _remember(self, memory: dict[str, Any]) -> None:
        super()._remember(memory)
        self._policy.load_state_dict(memory['policy'])
        self._learner.load_state_dict(memory['learner'])
