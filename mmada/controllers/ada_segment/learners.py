"""Learners: how a policy changes after a round. They own the optimizer.

Notation: m replicas, n objectives.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mmada.controllers.ada_segment.exploration import Exploration
from mmada.policies.policy import Policy
from mmada.utils.checks import check_int, check_number


def reinforce_loss(log_probs: Tensor, rewards: Tensor) -> Tensor:
    """Return minus the REINFORCE objective (Ada-Segment, Eq. 6).

    Args:
        log_probs: Log-density of each sample under the policy.
        rewards: Reward of each sample, constant for autograd.

    Returns:
        ``-mean_j(r_j log s_j)``, a scalar to minimise.
    """
    return -(rewards.detach() * log_probs).mean()


class Experience(NamedTuple):
    """One round as a learner sees it.

    Attributes:
        losses: Losses that the policy saw, shape ``(n,)``.
        actions: Unclamped samples, shape ``(m, n)``.
        rewards: Their rewards, shape ``(m,)``.
        scale: Factor on the exploration's spread when drawn, shape ``()``.
        spread: Standard deviation of the round's metrics, shape ``()``.
    """

    losses: Tensor
    actions: Tensor
    rewards: Tensor
    scale: Tensor
    spread: Tensor


def parameters_of(policy: Policy) -> dict[str, Tensor]:
    """Return a copy of a policy's state."""
    return {k: v.detach().clone() for k, v in policy.state_dict().items()}


class Learner(ABC):
    """Improves a policy with the experience of rounds."""

    @abstractmethod
    def update(
        self, policy: Policy, exploration: Exploration, experience: Experience
    ) -> dict[str, float]:
        """Improve the policy in place; return scalars worth a log line."""

    @abstractmethod
    def recover(self, policy: Policy) -> None:
        """React to a round that left no valid replica."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Return the optimizer's state and whatever else is kept."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state made by :meth:`state_dict`."""


class ReinforceLearner(Learner):
    """The paper's: Adam on Eq. 6, whose state lives on over the rounds.

    Args:
        policy: The policy whose parameters are optimised.
        lr: Learning rate; 0 is search without learning. Defaults to 0.05.
        weight_decay: Adam's L2 penalty. Defaults to 5e-4.
        updates_per_round: Steps on the samples of a round, at least 1.
            Defaults to 1.
    """

    def __init__(
        self,
        policy: Policy,
        lr: float = 0.05,
        weight_decay: float = 5e-4,
        updates_per_round: int = 1,
    ) -> None:
        self.updates_per_round = check_int(
            'updates_per_round', updates_per_round, 1
        )
        self.optimizer = torch.optim.Adam(
            policy.parameters(),
            lr=check_number('lr', lr, 0),
            weight_decay=check_number('weight_decay', weight_decay, 0),
        )

    def update(
        self, policy: Policy, exploration: Exploration, experience: Experience
    ) -> dict[str, float]:
        """Do the steps of gradient ascent on Eq. 6."""
        for _ in range(self.updates_per_round):
            loss = self._step(policy, exploration, experience)
        return dict(loss=loss)

    def _step(
        self, policy: Policy, exploration: Exploration, experience: Experience
    ) -> float:
        """Do one step; return the loss before it."""
        # A batch of one: linear layers round a lone vector's sums otherwise.
        mean = policy(experience.losses.unsqueeze(0))
        log_probs = exploration.log_prob(
            experience.actions, mean, experience.scale
        )
        loss = reinforce_loss(log_probs, experience.rewards)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())

    def recover(self, policy: Policy) -> None:
        """Do nothing, as the paper does."""

    def state_dict(self) -> dict[str, Any]:
        """Return Adam's state."""
        return dict(optimizer=self.optimizer.state_dict())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over Adam's state."""
        self.optimizer.load_state_dict(state['optimizer'])
