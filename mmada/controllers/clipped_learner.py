"""The learner of the stable preset: bounded steps over a few rounds."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mmada.controllers.checks import check_int, check_number
from mmada.controllers.exploration import Exploration
from mmada.controllers.learners import (
    Experience,
    Learner,
    action_log_probs,
    parameters_of,
)
from mmada.controllers.policies import Policy
from mmada.controllers.updates import clipped_ratio_loss


def mix(
    first: dict[str, Tensor], second: dict[str, Tensor], share: float
) -> dict[str, Tensor]:
    """Return parameters a share of the way from first to second."""
    return {
        name: torch.lerp(value, second[name], share)
        for name, value in first.items()
    }


def relative_spread(spreads: Tensor, history: list[float]) -> Tensor:
    """Weigh rounds by how far their metrics were apart.

    Standardised rewards make a round whose replicas differ by chance alone,
    as they do when the learning rate has decayed, as loud as one in which
    the weights decided.

    Args:
        spreads: Standard deviations of the metrics of b rounds, ``(b,)``.
        history: Those of all rounds so far.

    Returns:
        Each spread over the root mean square of all of them, ``(b,)``.
    """
    squares = sum(spread**2 for spread in history) / len(history)
    return spreads / squares**0.5


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
            round's steps; the one that would pass it is shortened and the
            last. Defaults to 0.3.
        pull: Share of the way back to its first parameters that the policy
            goes after each update, so that rewards which are only noise
            cannot carry it away over many rounds. Defaults to 0.03.
    """

    def __init__(
        self,
        policy: Policy,
        lr: float = 0.02,
        num_updates: int = 10,
        buffer_rounds: int = 4,
        clip: float = 0.2,
        kl_limit: float = 0.3,
        pull: float = 0.03,
    ) -> None:
        self.lr = check_number('lr', lr, 0)
        self.num_updates = check_int('num_updates', num_updates, 1)
        self.buffer_rounds = check_int('buffer_rounds', buffer_rounds, 1)
        self.clip = check_number('clip', clip, 0, 1, above=True)
        self.kl_limit = check_number('kl_limit', kl_limit, 0, above=True)
        self.pull = check_number('pull', pull, 0, 1)
        self._buffer: list[Experience] = []
        self._spreads: list[float] = []
        self._origin = parameters_of(policy)
        self._last_good = self._origin
        self._reset_optimizer(policy)

    def _reset_optimizer(self, policy: Policy) -> None:
        self.optimizer = torch.optim.Adam(
            [p for p in policy.parameters() if p.requires_grad], lr=self.lr
        )

    def update(
        self, policy: Policy, exploration: Exploration, experience: Experience
    ) -> dict[str, float]:
        """Take up to ``num_updates`` steps, fewer at the KL limit."""
        self._last_good = parameters_of(policy)
        self._buffer = [*self._buffer, experience][-self.buffer_rounds :]
        batch = Experience(
            *(torch.stack(part) for part in zip(*self._buffer, strict=True))
        )
        with torch.no_grad():
            anchor = policy(batch.losses)
        self._spreads.append(float(experience.spread))
        batch = batch._replace(
            rewards=batch.rewards
            * relative_spread(batch.spread, self._spreads).unsqueeze(-1)
        )
        kl, steps = 0.0, 0
        while steps < self.num_updates:
            before = parameters_of(policy)
            self._step(policy, exploration, batch)
            steps += 1
            kl = self._divergence(policy, exploration, batch, anchor)
            if kl > self.kl_limit:
                kl = self._shorten(policy, exploration, batch, anchor, before)
                break
        policy.load_state_dict(
            mix(parameters_of(policy), self._origin, self.pull)
        )
        return dict(kl=kl, steps=float(steps))

    def _step(
        self, policy: Policy, exploration: Exploration, batch: Experience
    ) -> None:
        log_probs = action_log_probs(policy, exploration, batch)
        loss = clipped_ratio_loss(
            log_probs, batch.log_probs, batch.rewards, self.clip
        )
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    @staticmethod
    @torch.no_grad()
    def _divergence(
        policy: Policy,
        exploration: Exploration,
        batch: Experience,
        anchor: Tensor,
    ) -> float:
        kl = exploration.divergence(
            anchor, policy(batch.losses), batch.losses, batch.scale
        )
        return float(kl.mean())

    def _shorten(
        self,
        policy: Policy,
        exploration: Exploration,
        batch: Experience,
        anchor: Tensor,
        before: dict[str, Tensor],
    ) -> float:
        # Halving towards a point within the limit ends; the cap only guards
        # against a limit below the arithmetic's own resolution.
        after = parameters_of(policy)
        for halvings in range(1, 60):
            policy.load_state_dict(mix(before, after, 0.5**halvings))
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
        self._reset_optimizer(policy)

    def state_dict(self) -> dict[str, Any]:
        """Return Adam's state, the buffer and the way back."""
        return dict(
            optimizer=self.optimizer.state_dict(),
            buffer=[item._asdict() for item in self._buffer],
            last_good=dict(self._last_good),
            spreads=list(self._spreads),
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state made by :meth:`state_dict`."""
        self.optimizer.load_state_dict(state['optimizer'])
        self._buffer = [Experience(**item) for item in state['buffer']]
        self._last_good = dict(state['last_good'])
        self._spreads = list(state['spreads'])
