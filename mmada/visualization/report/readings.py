"""What can be read off the rounds of a search: parts of rewards, scalars."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mmada.controllers.rewards import (
    improvement_reward,
    local_reward,
    progress_reward,
)
from mmada.visualization.report.noise import RoundNoise, round_noise
from mmada.visualization.report.rounds import Search, SearchRound

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SplitReward:
    """The two parts of the paper's reward, each (m,).

    Attributes:
        local: How a replica compares with the others of its round.
        improvement: How it compares with the round before.
    """

    local: Array
    improvement: Array


def split_reward(entry: SearchRound, metric: str) -> SplitReward:
    """Split the reward of a round; NaN where a replica has no metric."""
    values = torch.from_numpy(entry.values(metric))
    valid = values.isfinite()
    known = math.isfinite(entry.reference)
    reference = entry.reference if known else None
    parts = (
        local_reward(values, valid),
        improvement_reward(values, valid, reference),
    )
    local, improvement = (
        part.masked_fill(~valid, math.nan).numpy() for part in parts
    )
    return SplitReward(local, improvement)


def noises(search: Search) -> list[RoundNoise | None]:
    """Compare spread and noise in each round, None where not recorded."""
    return [
        None
        if entry.resamples is None
        else round_noise(entry.values(search.metric), entry.resamples)
        for entry in search.rounds
    ]


def invalid_counts(search: Search) -> list[int]:
    """Count the replicas of each round that trained and have no metric."""
    return [
        int((r.trained & ~np.isfinite(r.values(search.metric))).sum())
        for r in search.rounds
    ]


def info_values(search: Search, key: str) -> list[float]:
    """Return a scalar of the learner by round, NaN where it has none."""
    found = [entry.info.get(key) for entry in search.rounds]
    return [math.nan if value is None else float(value) for value in found]


def is_published(entry: SearchRound, metric: str, total: int) -> bool:
    """Tell whether rewards are those of the paper's Eq. 5.

    Args:
        entry: The round.
        metric: Key of the reward metric.
        total: Rounds T of the search.
    """
    values = torch.from_numpy(entry.values(metric))
    valid = values.isfinite()
    known = math.isfinite(entry.reference)
    expected = progress_reward(
        values,
        valid,
        entry.reference if known else None,
        entry.number / total,
    ).numpy()
    return bool(np.allclose(entry.rewards, expected, atol=1e-6))
