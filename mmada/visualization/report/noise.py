"""How far apart the replicas are, against the noise of their metric.

The metric of a replica depends on which images it is measured on. With the
metric on B resamples of the images, the same resamples for all replicas,
the noise of a *difference* between two replicas can be told: it is much
smaller than that of either, since they share what makes images hard.

What the images do not show is left out: another seed of the training would
change the differences, too.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

LEVEL = 95
Array = NDArray[np.float64]
Verdict = Literal['noise', 'unclear', 'signal']


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
    def verdict(self) -> Verdict:
        """Tell whether the spread can be explained by noise."""
        if self.spread <= self.noise:
            return 'noise'
        return 'signal' if self.spread > self.limit else 'unclear'


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
