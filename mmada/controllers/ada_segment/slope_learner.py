"""The learner of the stable preset: up the slope, as far as it is known."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mmada.controllers.ada_segment.exploration import Exploration
from mmada.controllers.ada_segment.learners import (
    Experience,
    Learner,
    parameters_of,
)
from mmada.controllers.group_policy import GroupPolicy
from mmada.controllers.slope import Slope, fit_slope
from mmada.policies.policy import Policy
from mmada.utils.checks import check_number


class SlopeLearner(Learner):
    """Climbs the slope of the metric, estimated from all rounds so far.

    With m replicas a round says little about n weights, so no round is
    thrown away; older ones count less, since the weights that help change
    while a model trains. The KL of a step is the limit times the confidence
    in the slope. Noise alone leaves one of 0.1 or so, a third of the longest
    step: what it does to a search is shown by `ShuffledRewards`.

    Args:
        policy: The policy whose parameters are learned.
        kl_limit: Largest KL between the policies before and after a round;
            0 is no learning.
        radius: Distance of the log-factors from the start that a slope is
            believed over; each step goes to the point this far up the slope,
            as far as the limit lets it.
        discount: Weight of a round against the next one, in (0, 1].
    """

    def __init__(
        self,
        policy: GroupPolicy,
        kl_limit: float,
        radius: float,
        discount: float,
    ) -> None:
        self.radius = check_number('radius', radius, 0, above=True)
        self.kl_limit = check_number('kl_limit', kl_limit, 0)
        self.discount = check_number('discount', discount, 0, 1, above=True)
        self._offsets: list[Tensor] = []
        self._values: list[Tensor] = []
        self._last_good = parameters_of(policy)

    def update(
        self, policy: Policy, exploration: Exploration, experience: Experience
    ) -> dict[str, float]:
        """Fit the slope to all rounds and take one step."""
        assert isinstance(policy, GroupPolicy)
        self._last_good = parameters_of(policy)
        points = policy.coordinates(experience.actions, experience.losses)
        self._offsets.append(points - points.mean(0))
        values = experience.rewards * experience.spread
        self._values.append(values - values.mean())
        slope = fit_slope(
            torch.cat(self._offsets),
            torch.cat(self._values),
            self._weights(),
            len(self._values),
        )
        step = self._step(policy, exploration, experience, slope)
        kl = self._divergence(policy, exploration, experience, step)
        policy.move(step)
        return dict(kl=kl, confidence=slope.confidence)

    def _weights(self) -> Tensor:
        """Return the weight of each replica of all rounds, ``(N,)``."""
        count = len(self._values)
        return torch.cat(
            [
                torch.full_like(values, self.discount ** (count - 1 - t))
                for t, values in enumerate(self._values)
            ]
        )

    def _step(
        self,
        policy: GroupPolicy,
        exploration: Exploration,
        experience: Experience,
        slope: Slope,
    ) -> Tensor:
        """Return the step of the log-factors, ``(k,)``."""
        size = float(slope.mean.norm())
        if size == 0:
            return torch.zeros_like(slope.mean)
        way = self.radius / size * slope.mean - policy.bias.detach()
        kl = self._divergence(policy, exploration, experience, way)
        limit = self.kl_limit * slope.confidence
        # The KL grows with the square of a step.
        return way if kl <= limit else (limit / kl) ** 0.5 * way

    @staticmethod
    @torch.no_grad()
    def _divergence(
        policy: GroupPolicy,
        exploration: Exploration,
        experience: Experience,
        step: Tensor,
    ) -> float:
        old = policy(experience.losses)
        new = old + policy.expand(step)
        return float(exploration.divergence(old, new, experience.scale))

    def recover(self, policy: Policy) -> None:
        """Return to the policy of the last valid round, and forget."""
        policy.load_state_dict(self._last_good)
        self._offsets, self._values = [], []

    def state_dict(self) -> dict[str, Any]:
        """Return the rounds so far and the way back."""
        return dict(
            offsets=list(self._offsets),
            values=list(self._values),
            last_good=dict(self._last_good),
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state made by :meth:`state_dict`."""
        self._offsets = list(state['offsets'])
        self._values = list(state['values'])
        self._last_good = dict(state['last_good'])
