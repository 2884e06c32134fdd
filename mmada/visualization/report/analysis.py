"""How much of the rewards of a search is signal.

The metric of a replica depends on which images it is measured on. With the
metric on B resamples of the images, the same resamples for all replicas,
the noise of a *difference* between two replicas can be estimated: it is much
smaller than that of either, since they share what makes images hard.

What the images do not show is left out: another seed of the training would
change the differences, too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from mmada.controllers.rewards import (
    improvement_reward,
    local_reward,
    progress_reward,
)
from mmada.visualization.history import Round, Search

Array = NDArray[np.float64]
LEVEL = 95
NoiseComparison = Literal['noise', 'unclear', 'signal']


class RoundNoise(NamedTuple):
    """Spread and noise of one round, in units of the metric.

    Attributes:
        spread: Sample standard deviation over the replicas.
        noise: Spread that equal replicas would be expected to have.
        limit: Spread that they would exceed in 5 of 100 cases.
    """

    spread: float
    noise: float
    limit: float

    @property
    def comparison(self) -> NoiseComparison:
        """Whether the spread can be explained by noise."""
        if self.spread <= self.noise:
            return 'noise'
        return 'signal' if self.spread > self.limit else 'unclear'


def noises(search: Search) -> list[RoundNoise | None]:
    """Compare spread and noise in each round, None where not recorded."""
    return [
        None
        if entry.resamples is None
        else round_noise(entry.values(search.metric), entry.resamples)
        for entry in search.rounds
    ]


def round_noise(values: Array, resamples: Array) -> RoundNoise | None:
    r"""Compare the spread of a round with what noise alone would give.

    A variance over replicas is the mean over pairs of half the squared
    differences. So the noise is

    .. math:: \sqrt{\operatorname{mean}_{i<j} \sigma_{ij}^2 / 2}

    with :math:`\sigma_{ij}` from `paired_noise`, and the limit is the 95th
    percentile of the spread of the resamples about their own means.

    Args:
        values: The metric of each replica, (m,).
        resamples: The same on resampled images, (m, B).

    Returns:
        None if fewer than two replicas have both.
    """
    there = np.isfinite(values) & np.isfinite(resamples).all(axis=1)
    if there.sum() < 2 or resamples.shape[1] < 2:
        return None
    drawn = resamples[there]
    pairs = paired_noise(drawn)[np.triu_indices(len(drawn), 1)]
    centred = drawn - drawn.mean(axis=1, keepdims=True)
    limit = np.percentile(centred.std(axis=0, ddof=1), LEVEL)
    return RoundNoise(
        sample_spread(values[there]),
        float(np.sqrt((pairs**2).mean() / 2)),
        float(limit),
    )


def count_draws(resamples: Array) -> int:
    r"""Count how many resamples differ for some replica.

    A draw of n from n images is one of :math:`\binom{2n-1}{n}` multisets,
    and equal multisets have equal metrics: 1 of one image, 3 of two, 35 of
    four.

    Args:
        resamples: (m, B); replicas with a NaN do not count.
    """
    finite = resamples[np.isfinite(resamples).all(axis=1)]
    return np.unique(finite.round(9), axis=1).shape[1]


def paired_noise(resamples: Array) -> Array:
    """Return the noise of each difference between two replicas.

    Args:
        resamples: (m, B).

    Returns:
        Standard deviations over the resamples, (m, m).
    """
    differences = resamples[:, None] - resamples[None]
    return differences.std(axis=2, ddof=1)


def sample_spread(values: Array) -> float:
    """Return the standard deviation over replicas, NaN of fewer than two."""
    finite = values[np.isfinite(values)]
    return float(finite.std(ddof=1)) if len(finite) > 1 else math.nan


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


@dataclass(frozen=True)
class SplitReward:
    """The two parts of the paper's reward, each (m,).

    Attributes:
        local: How a replica compares with the others of its round.
        improvement: How it compares with the round before.
    """

    local: Array
    improvement: Array


def split_reward(entry: Round, metric: str) -> SplitReward:
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


def is_published(entry: Round, metric: str, total: int) -> bool:
    """Return whether rewards are those of the paper's Eq. 5.

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
