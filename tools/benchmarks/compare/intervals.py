"""Means, spreads and intervals of panoptic quality.

Panoptic quality is a ratio of counts that add up over images, so intervals
of it come from counts by seed, image and class: `iou, tp, fp, fn`.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

LEVEL = 0.95
Floats = NDArray[np.float64]
Interval = tuple[float, float]


def mean_and_std(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and sample standard deviation, NaN of one value."""
    spread = statistics.stdev(values) if len(values) > 1 else math.nan
    return statistics.fmean(values), spread


def quality(counts: Floats) -> Floats:
    """Return PQ in percent, averaged over the classes that were counted.

    Args:
        counts: Shape (..., classes, 4).

    Returns:
        Shape (...); NaN where no class was counted.
    """
    iou, tp, fp, fn = np.moveaxis(counts, -1, 0)
    weight = tp + fp / 2 + fn / 2
    counted = weight > 0
    values = np.divide(iou, weight, out=np.zeros_like(iou), where=counted)
    with np.errstate(invalid='ignore'):
        return 100 * values.sum(-1) / counted.sum(-1)


def image_draws(num_images: int, draws: int, seed: int = 0) -> Floats:
    """Draw images with replacement.

    Returns:
        How often each image was drawn, shape (draws, images).
    """
    rng = np.random.default_rng(seed)
    chances = np.full(num_images, 1 / num_images)
    return rng.multinomial(num_images, chances, draws).astype(np.float64)


def resampled_quality(counts: Floats, drawn: Floats) -> Floats:
    """Return PQ of one training on each draw of images.

    Args:
        counts: Shape (images, classes, 4).
        drawn: What `image_draws` returned.

    Returns:
        Shape (draws,).
    """
    sums = drawn @ counts.reshape(len(counts), -1)
    return quality(sums.reshape(len(drawn), *counts.shape[1:]))


def bootstrap_means(differences: Floats, seed: int = 0) -> Floats:
    r"""Draw the mean difference over seeds and images.

    Draw b takes images with replacement, the same for both methods and all
    seeds, and seeds with replacement, the same for both methods:

    .. math:: d_b = \frac1S \sum_{k=1}^{S}
        PQ^A_{s_k(b)}(\text{images}_b) - PQ^B_{s_k(b)}(\text{images}_b)

    With the 3 to 5 seeds of a benchmark d is too narrow in what it says about
    seeds (their variance comes out as (S - 1) / S of what it is); see
    `t_interval` for an interval that is not, which leaves the images out.

    Args:
        differences: By draw of images and by seed, shape (draws, S).
        seed: Of the draws of seeds.

    Returns:
        Shape (draws,).
    """
    draws, num = differences.shape
    rng = np.random.default_rng(seed)
    chosen = rng.integers(num, size=(draws, num))
    return np.take_along_axis(differences, chosen, axis=1).mean(axis=1)


def percentile_interval(means: Floats) -> Interval:
    """Return the 2.5th and the 97.5th percentile of draws."""
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(means, [tail, 100 - tail])
    return float(low), float(high)


def bootstrap_interval(differences: Floats, seed: int = 0) -> Interval:
    """Return the interval of what :func:`bootstrap_means` draws."""
    return percentile_interval(bootstrap_means(differences, seed))


def t_interval(differences: Sequence[float]) -> Interval:
    r"""Return Student's interval of a mean of paired differences.

    .. math:: \bar d \pm t_{0.975, S - 1} \, s_d / \sqrt S

    Args:
        differences: One a seed, on all test images.

    Returns:
        Both ends; NaN for one seed.
    """
    mean, spread = mean_and_std(differences)
    num = len(differences)
    if num < 2:
        return math.nan, math.nan
    half = stats.t.ppf((1 + LEVEL) / 2, num - 1) * spread / math.sqrt(num)
    return mean - half, mean + half


def pooled_t_interval(groups: Sequence[Sequence[float]]) -> Interval:
    r"""Return Student's interval of a mean over groups, each counted alike.

    .. math:: \bar d = \frac1P \sum_p \bar d_p, \quad
        s^2 = \frac1{P^2} \sum_p \frac{s_p^2}{S_p}

    with the degrees of freedom of Welch and Satterthwaite. It says nothing of
    other problems than these.

    Args:
        groups: Paired differences of each problem, one a seed.

    Returns:
        Both ends; NaN if a group has one seed.
    """
    if any(len(group) < 2 for group in groups):
        return math.nan, math.nan
    mean = statistics.fmean(map(statistics.fmean, groups))
    parts = [
        statistics.variance(g) / len(g) / len(groups) ** 2 for g in groups
    ]
    square = sum(parts)
    if square == 0:
        return mean, mean
    freedom = square**2 / sum(
        part**2 / (len(g) - 1) for part, g in zip(parts, groups, strict=True)
    )
    half = stats.t.ppf((1 + LEVEL) / 2, freedom) * math.sqrt(square)
    return mean - half, mean + half
