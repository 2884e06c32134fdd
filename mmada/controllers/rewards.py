"""Rewards: from the metrics of a round to the signal a policy learns from.

Notation: m replicas; ``metrics`` v and ``valid`` have shape ``(m,)``. A
replica is valid if its metric is finite and its sampled action was valid, that
is, gave no negative weight; mean and (population) standard deviation run over
valid replicas only.

:func:`reward_round` makes the rewards of a round by one of the functions
above it, and says whether they are worth an update, or why they are not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

SPREAD_FLOOR = 1e-8
"""Standard deviation below which metrics count as equal."""
INVALID_REWARD = -1.0
"""Reward of an invalid replica, never scaled."""

RewardFunction = Callable[[Tensor, Tensor, float | None, float], Tensor]
"""``(metrics, valid, reference, progress) -> rewards (m,)``."""


def metric_spread(metrics: Tensor, valid: Tensor) -> float:
    """Return the population standard deviation over valid replicas.

    Fewer than two valid replicas have no spread: 0.
    """
    if int(valid.sum()) < 2:
        return 0.0
    return float(metrics[valid].std(correction=0))


def local_reward(metrics: Tensor, valid: Tensor) -> Tensor:
    """Standardise the metrics of one round (Ada-Segment, Eq. 3).

    Returns:
        ``(v - mean v) / std v`` where valid, 0 elsewhere, and 0 throughout
        if the spread is below ``SPREAD_FLOOR``; shape ``(m,)``.
    """
    rewards = torch.zeros_like(metrics)
    spread = metric_spread(metrics, valid)
    if spread >= SPREAD_FLOOR:
        chosen = metrics[valid]
        rewards[valid] = (chosen - chosen.mean()) / spread
    return rewards


def improvement_reward(
    metrics: Tensor, valid: Tensor, reference: float | None
) -> Tensor:
    """Scale the gain over the round before (Ada-Segment, Eq. 4).

    Args:
        metrics: Metrics v of this round, shape ``(m,)``.
        valid: Which replicas count, shape ``(m,)``.
        reference: Metric of the state that the replicas started from; None
            if unknown, which makes the reward 0.

    Returns:
        ``(v - reference) / std(v - reference)`` where valid, else 0; shape
        ``(m,)``. A common shift leaves the spread as it is, so the divisor
        is std(v).
    """
    rewards = torch.zeros_like(metrics)
    spread = metric_spread(metrics, valid)
    if reference is not None and spread >= SPREAD_FLOOR:
        rewards[valid] = (metrics[valid] - reference) / spread
    return rewards


def progress_reward(
    metrics: Tensor, valid: Tensor, reference: float | None, progress: float
) -> Tensor:
    """Combine both rewards and mute early rounds (Ada-Segment, Eq. 5).

    Args:
        metrics: Metrics v, shape ``(m,)``.
        valid: Which replicas count, shape ``(m,)``.
        reference: Metric of the state that the replicas started from.
        progress: t / T.

    Returns:
        ``t/T (r_local + r_imp)`` where valid, -1 elsewhere, ``(m,)``.
    """
    rewards = progress * (
        local_reward(metrics, valid)
        + improvement_reward(metrics, valid, reference)
    )
    return rewards.masked_fill(~valid, INVALID_REWARD)


def local_progress_reward(
    metrics: Tensor, valid: Tensor, reference: float | None, progress: float
) -> Tensor:
    """Eq. 5 without the gain over the round before, the paper's ablation.

    Args:
        metrics: Metrics v, shape ``(m,)``.
        valid: Which replicas count, shape ``(m,)``.
        reference: Unused.
        progress: t / T.

    Returns:
        ``t/T r_local`` where valid, -1 elsewhere, shape ``(m,)``.
    """
    rewards = progress * local_reward(metrics, valid)
    return rewards.masked_fill(~valid, INVALID_REWARD)


def standardised_reward(
    metrics: Tensor, valid: Tensor, reference: float | None, progress: float
) -> Tensor:
    """Eq. 3 alone.

    Args:
        metrics: Metrics v, shape ``(m,)``.
        valid: Which replicas count, shape ``(m,)``.
        reference: Unused.
        progress: Unused.

    Returns:
        ``r_local`` where valid, -1 elsewhere, shape ``(m,)``.
    """
    return local_progress_reward(metrics, valid, reference, 1.0)


def clipped_reward(
    metrics: Tensor,
    valid: Tensor,
    reference: float | None,
    progress: float,
    clip: float = 2.0,
) -> Tensor:
    """Compare replicas of one round only, with bounded values.

    Neither the gain over the round before nor the progress of the search is
    used: all replicas share the first, and it would act as a moving
    baseline; the second mutes the rounds in which weights matter most.

    Args:
        metrics: Metrics v, shape ``(m,)``.
        valid: Which replicas count, shape ``(m,)``.
        reference: Unused.
        progress: Unused.
        clip: Largest magnitude. Defaults to 2.

    Returns:
        Eq. 3 clipped to ``[-clip, clip]`` where valid, -1 elsewhere.
    """
    rewards = local_reward(metrics, valid).clamp(-clip, clip)
    return rewards.masked_fill(~valid, INVALID_REWARD)


def metrics_differ(metrics: Tensor) -> bool:
    """Return whether finite metrics, of any shape, tell anything apart."""
    return metric_spread(metrics, metrics.isfinite()) >= SPREAD_FLOOR


def select_best(metrics: Tensor) -> int:
    """Return the index of the largest finite metric, the lowest on a tie.

    Returns:
        An index into the replicas, or -1 if no metric is finite.
    """
    finite = torch.isfinite(metrics)
    if not bool(finite.any()):
        return -1
    largest = metrics[finite].max()
    return int(torch.nonzero(finite & (metrics == largest))[0])


class RoundRewards(NamedTuple):
    """What a controller may learn from one round of m replicas.

    Attributes:
        valid: Replicas with a finite metric and a valid action, ``(m,)``.
        rewards: Reward of each replica, shape ``(m,)``.
        spread: Standard deviation of the valid metrics.
        reason: Why the metrics tell no replicas apart, '' if they do.
        informative: Whether the rewards are worth an update.
    """

    valid: Tensor
    rewards: Tensor
    spread: float
    reason: str
    informative: bool


def reward_round(
    metrics: Tensor,
    reward: RewardFunction,
    *,
    valid_actions: Tensor | None = None,
    reference: float | None = None,
    progress: float = 1.0,
    noise_floor: float = 0.0,
) -> RoundRewards:
    """Reward the replicas of a round, as far as their metrics differ.

    Metrics that tell no replicas apart give valid replicas a reward of 0. An
    action that is not valid is a lesson of its own, so that a round with one
    (and any finite metric) is informative in any case.

    Args:
        metrics: Metric of each replica, not finite if it failed, ``(m,)``.
        reward: Makes rewards of metrics.
        valid_actions: Which actions may be rewarded, shape ``(m,)``; None
            for all.
        reference: Metric of the state that the replicas started from.
        progress: t / T.
        noise_floor: Spread below which metrics are taken for equal.
    """
    finite = metrics.isfinite()
    if valid_actions is None:
        valid_actions = torch.ones_like(finite)
    valid = finite & valid_actions
    spread = metric_spread(metrics, valid)
    reason = _why_uninformative(
        metrics, valid, valid_actions, max(SPREAD_FLOOR, noise_floor)
    )
    rewards = reward(metrics, valid, reference, progress)
    if reason:
        rewards = rewards.masked_fill(valid, 0.0)
    informative = not reason or bool((finite & ~valid_actions).any())
    return RoundRewards(valid, rewards, spread, reason, informative)


def _why_uninformative(
    metrics: Tensor, valid: Tensor, valid_actions: Tensor, limit: float
) -> str:
    count, invalid = int(valid.sum()), int((~valid_actions).sum())
    if count < 2:
        reason = f'{count} of {len(valid)} replicas are valid'
        return reason + (
            f', {invalid} sampled a negative weight' if invalid else ''
        )
    spread = metric_spread(metrics, valid)
    if spread < SPREAD_FLOOR:
        return f'all valid replicas scored {float(metrics[valid][0]):.4g}'
    if spread < limit:
        return f'the metrics spread by {spread:.3g}, less than {limit:.3g}'
    return ''
