"""How a metric changes with the action: regression with doubt.

Notation: N replicas of past rounds, k coordinates.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

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
