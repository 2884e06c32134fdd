"""Learners: how a policy changes after a round. They own the optimizer.

Notation: b rounds in a batch, m replicas, n objectives.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mmada.controllers.checks import check_int, check_number
from mmada.controllers.exploration import Exploration
from mmada.controllers.policies import Policy
from mmada.controllers.updates import clipped_ratio_loss, reinforce_loss


class Experience(NamedTuple):
    """One round as a learner sees it; stacked, all get a leading b.

    Attributes:
        losses: Losses that the policy saw, shape ``(n,)``.
        actions: Unclamped samples, shape ``(m, n)``.
        log_probs: Their log-density when drawn, shape ``(m,)``.
        rewards: Their rewards, shape ``(m,)``.
        scale: Factor on the exploration's spread when drawn, shape ``()``.
    """

    losses: Tensor
    actions: Tensor
    log_probs: Tensor
    rewards: Tensor
    scale: Tensor


def action_log_probs(policy: Policy, exploration: Exploration,
                     batch: Experience) -> Tensor:
    """Log-density of stacked samples under a policy, shape ``(b, m)``."""
    return exploration.log_prob(batch.actions,
                                policy(batch.losses).unsqueeze(-2),
                                batch.losses.unsqueeze(-2),
                                batch.scale.unsqueeze(-1))


def parameters_of(policy: Policy) -> dict[str, Tensor]:
    """Return a copy of a policy's state."""
    return {k: v.detach().clone() for k, v in policy.state_dict().items()}


class Learner(ABC):
    """Improves a policy with the experience of rounds."""

    @abstractmethod
    def update(self, policy: Policy, exploration: Exploration,
               experience: Experience) -> dict[str, float]:
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
    """The paper's: one Adam step per round, whose state lives on (Eq. 6).

    Args:
        policy: The policy whose parameters are optimised.
        lr: Learning rate; 0 is search without learning. Defaults to 0.05.
        weight_decay: Adam's L2 penalty. Defaults to 5e-4.
    """

    def __init__(self, policy: Policy, lr: float = 0.05,
                 weight_decay: float = 5e-4) -> None:
        self.optimizer = torch.optim.Adam(
            policy.parameters(),
            lr=check_number('lr', lr, 0),
            weight_decay=check_number('weight_decay', weight_decay, 0))

    def update(self, policy: Policy, exploration: Exploration,
               experience: Experience) -> dict[str, float]:
        """Do one step of gradient ascent on Eq. 6."""
        batch = Experience(*(part.unsqueeze(0) for part in experience))
        log_probs = action_log_probs(policy, exploration, batch)
        loss = reinforce_loss(log_probs, batch.rewards)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return dict(loss=float(loss.detach()))

    def recover(self, policy: Policy) -> None:
        """Do nothing, as the paper does."""

    def state_dict(self) -> dict[str, Any]:
        """Return Adam's state."""
        return dict(optimizer=self.optimizer.state_dict())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over Adam's state."""
        self.optimizer.load_state_dict(state['optimizer'])


class ClippedLearner(Learner):
    """Several small clipped steps over the last rounds, within a KL limit.

    Args:
        policy: The policy whose parameters are optimised.
        lr: Adam's learning rate; 0 is search without learning. Defaults to
            0.02.
        num_updates: Steps per round. Defaults to 10.
        buffer_rounds: How many rounds, this one included, are learned from.
            Defaults to 4.
        clip: Clipping of the density ratio. Defaults to 0.2.
        kl_limit: Largest mean KL between the policies before and after a
            round's update; the step that would pass it is shortened and
            ends the update. Defaults to 0.3.
    """

    def __init__(
        self,
        policy: Policy,
        lr: float = 0.02,
        num_updates: int = 10,
        buffer_rounds: int = 4,
        clip: float = 0.2,
        kl_limit: float = 0.3,
    ) -> None:
        self.lr = check_number('lr', lr, 0)
        self.num_updates = check_int('num_updates', num_updates, 1)
        self.buffer_rounds = check_int('buffer_rounds', buffer_rounds, 1)
        self.clip = check_number('clip', clip, 0, 1, above=True)
        self.kl_limit = check_number('kl_limit', kl_limit, 0, above=True)
        self._buffer: list[Experience] = []
        self._last_good = parameters_of(policy)
        self._start(policy)

    def _start(self, policy: Policy) -> None:
        self.optimizer = torch.optim.Adam(
            [p for p in policy.parameters() if p.requires_grad], lr=self.lr)

    def update(self, policy: Policy, exploration: Exploration,
               experience: Experience) -> dict[str, float]:
        """Take up to ``num_updates`` steps, fewer at the KL limit."""
        self._last_good = parameters_of(policy)
        self._buffer = [*self._buffer, experience][-self.buffer_rounds:]
        batch = Experience(
            *(torch.stack(part) for part in zip(*self._buffer, strict=True)))
        with torch.no_grad():
            anchor = policy(batch.losses)
        kl, steps = 0.0, 0
        while steps < self.num_updates:
            before = parameters_of(policy)
            self._step(policy, exploration, batch)
            steps += 1
            kl = self._divergence(policy, exploration, batch, anchor)
            if kl > self.kl_limit:
                kl = self._shorten(policy, exploration, batch, anchor, before)
                break
        return dict(kl=kl, steps=float(steps))

    def _step(self, policy: Policy, exploration: Exploration,
              batch: Experience) -> None:
        log_probs = action_log_probs(policy, exploration, batch)
        loss = clipped_ratio_loss(log_probs, batch.log_probs, batch.rewards,
                                  self.clip)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    @staticmethod
    @torch.no_grad()
    def _divergence(policy: Policy, exploration: Exploration,
                    batch: Experience, anchor: Tensor) -> float:
        kl = exploration.divergence(anchor, policy(batch.losses),
                                    batch.losses, batch.scale)
        return float(kl.mean())

    def _shorten(self, policy: Policy, exploration: Exploration,
                 batch: Experience, anchor: Tensor,
                 before: dict[str, Tensor]) -> float:
        # Halving towards a point within the limit ends; the cap only guards
        # against a limit below the arithmetic's own resolution.
        after = parameters_of(policy)
        for halvings in range(1, 60):
            policy.load_state_dict({
                name: torch.lerp(before[name], after[name], 0.5**halvings)
                for name in after
            })
            kl = self._divergence(policy, exploration, batch, anchor)
            if kl <= self.kl_limit:
                return kl
        policy.load_state_dict(before)
        return self._divergence(policy, exploration, batch, anchor)

    def recover(self, policy: Policy) -> None:
        """Return to the policy of the last valid round, and forget.

        What was learned since then led to a round without survivors; the
        buffer and Adam's moments would lead there again.
        """
        policy.load_state_dict(self._last_good)
        self._buffer = []
        self._start(policy)

    def state_dict(self) -> dict[str, Any]:
        """Return Adam's state, the buffer and the way back."""
        return dict(
            optimizer=self.optimizer.state_dict(),
            buffer=[item._asdict() for item in self._buffer],
            last_good=dict(self._last_good))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state made by :meth:`state_dict`."""
        self.optimizer.load_state_dict(state['optimizer'])
        self._buffer = [Experience(**item) for item in state['buffer']]
        self._last_good = dict(state['last_good'])
