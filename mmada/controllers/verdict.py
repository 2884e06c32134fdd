"""The verdict on a round: what its metrics say, or why they say nothing."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from mmada.controllers.rewards import (
    SPREAD_FLOOR,
    RewardFunction,
    metric_spread,
)


class Verdict(NamedTuple):
    """What a controller may learn from one round of m replicas.

    Attributes:
        valid: Replicas with a finite metric and a legal sample, ``(m,)``.
        rewards: Reward of each replica, shape ``(m,)``.
        spread: Standard deviation of the valid metrics.
        reason: Why the metrics tell no replicas apart, '' if they do.
        teaches: Whether the rewards are worth an update.
    """

    valid: Tensor
    rewards: Tensor
    spread: float
    reason: str
    teaches: bool


def judge(
    metrics: Tensor,
    legal: Tensor,
    reference: float | None,
    progress: float,
    reward: RewardFunction,
    noise_floor: float,
) -> Verdict:
    """Reward the replicas of a round, as far as their metrics differ.

    Metrics that tell no replicas apart give valid replicas a reward of 0. A
    sample that is not legal is a lesson of its own, so that a round with one
    (and any finite metric) teaches in any case.

    Args:
        metrics: Metric of each replica, not finite if it failed, ``(m,)``.
        legal: Which samples may be rewarded, shape ``(m,)``.
        reference: Metric of the state that the replicas started from.
        progress: t / T.
        reward: Makes rewards of metrics.
        noise_floor: Spread below which metrics are taken for equal.
    """
    finite = metrics.isfinite()
    valid = finite & legal
    spread = metric_spread(metrics, valid)
    reason = _silence(valid, legal, spread, max(SPREAD_FLOOR, noise_floor))
    rewards = reward(metrics, valid, reference, progress)
    if reason:
        rewards = rewards.masked_fill(valid, 0.0)
    teaches = not reason or bool((finite & ~legal).any())
    return Verdict(valid, rewards, spread, reason, teaches)


def _silence(valid: Tensor, legal: Tensor, spread: float, limit: float) -> str:
    count, illegal = int(valid.sum()), int((~legal).sum())
    if count < 2:
        reason = f'{count} of {len(valid)} replicas are valid'
        return reason + (
            f', {illegal} sampled a negative weight' if illegal else ''
        )
    if spread < limit:
        return f'the metrics spread by {spread:.3g}, less than {limit:.3g}'
    return ''
