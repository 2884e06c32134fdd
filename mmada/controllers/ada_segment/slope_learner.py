"""The learner of the stable preset: up the slope, as far as it is known.

The slope is regressed on the actions of all rounds so far.

Notation: N replicas of past rounds, k coordinates.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mmada.controllers.ada_segment.exploration import Exploration
from mmada.controllers.ada_segment.learners import (
    Experience,
    Learner,
    parameters_of,
)
from mmada.policies.policy import GroupPolicy, Policy
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


PRIOR_SCALES = (0.0, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Candidates for the slope's size, in units of noise per coordinate."""


class Slope(NamedTuple):
    """What is believed about the slope of a metric.

    Attributes:
        mean: Expected slope, shape ``(k,)``.
        confidence: ``|E g|^2 / E |g|^2``, from 0 (noise alone explains what
            was seen) to 1 (the slope is known).
    """

    mean: Tensor
    confidence: float


def fit_slope(
    offsets: Tensor, values: Tensor, weights: Tensor, num_rounds: int
) -> Slope:
    r"""Regress metrics on actions, averaging over how large a slope may be.

    Bayesian linear regression with a conjugate prior,

    .. math:: v = U g + e, \quad e_i \sim N(0, s^2 / w_i), \quad
        g \sim N(0, s^2 \tau^2 I),

    :math:`p(s) \propto 1/s`, for each candidate :math:`\tau`; what they say
    is averaged by their evidence. One candidate is a slope of zero, so that
    metrics which are noise alone leave little of a slope and no confidence.
    For Gaussian exploration the slope is REINFORCE's natural gradient with
    the best linear baseline (compatible features; Peters and Schaal, 2008).

    Args:
        offsets: Coordinates U of the actions, centred within each round,
            shape ``(N, k)``.
        values: Metrics v, centred within each round, shape ``(N,)``.
        weights: Weight w of each, positive, shape ``(N,)``.
        num_rounds: Rounds that they come from; each takes one degree of
            freedom for its centre.
    """
    freedom = max(len(values) - num_rounds, 1)
    precision = offsets.T @ (weights.unsqueeze(-1) * offsets)
    moment = offsets.T @ (weights * values)
    energy = float((weights * values.square()).sum())
    if energy == 0:
        return Slope(torch.zeros_like(moment), 0.0)
    evidence, means, squares = [], [], []
    for scale in PRIOR_SCALES:
        covariance, log_volume = _posterior(precision, scale)
        mean = covariance @ moment
        # What no slope of this size explains; never below the rounding.
        rest = max(energy - float(moment @ mean), 1e-12 * energy)
        evidence.append(0.5 * log_volume - 0.5 * freedom * math.log(rest))
        variance = rest / max(freedom - 2, 1) * float(covariance.trace())
        means.append(mean)
        squares.append(float(mean @ mean) + variance)
    shares = torch.softmax(torch.tensor(evidence, dtype=torch.float64), 0)
    mean = shares @ torch.stack(means)
    square = float(shares @ torch.tensor(squares, dtype=torch.float64))
    confidence = float(mean @ mean) / square if square > 0 else 0.0
    return Slope(mean, min(confidence, 1.0))


def _posterior(precision: Tensor, scale: float) -> tuple[Tensor, float]:
    """Return covariance over s^2, and log det(covariance / prior)."""
    size = len(precision)
    eye = torch.eye(size, dtype=precision.dtype)
    if scale == 0:
        return torch.zeros_like(precision), 0.0
    # (A + I / scale^2)^-1, written without the division.
    inner = eye + scale**2 * precision
    covariance = scale**2 * torch.linalg.inv(inner)
    return covariance, -float(torch.linalg.slogdet(inner).logabsdet)
