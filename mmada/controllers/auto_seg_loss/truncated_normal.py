"""Normals truncated to [0, 1]: how Auto Seg-Loss samples control points.

Notation: S samples of P parameters. A parameter has the density of a normal
of mean mu and standard deviation sigma within [0, 1], none outside. The mean
of the normal lies in [0, 1]; it is not the mean of the truncated one.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor
from torch.special import ndtr, ndtri


def sample(
    mean: Tensor, sigma: float, count: int, generator: Generator
) -> Tensor:
    """Draw from each parameter's distribution by its inverse CDF.

    Args:
        mean: Means mu of the normals, shape ``(P,)``.
        sigma: Their standard deviation.
        count: Number S of samples.
        generator: Source of the uniform numbers.

    Returns:
        Samples within [0, 1], shape ``(S, P)``.
    """
    low, high = ndtr(-mean / sigma), ndtr((1 - mean) / sigma)
    uniform = torch.rand(
        count, len(mean), dtype=mean.dtype, generator=generator
    )
    # The inverse CDF of 0 and 1 is infinite.
    tiny = torch.finfo(mean.dtype).eps
    shares = torch.lerp(low, high, uniform).clamp(tiny, 1 - tiny)
    return (mean + sigma * ndtri(shares)).clamp(0, 1)


def log_density(values: Tensor, mean: Tensor, sigma: float) -> Tensor:
    """Return the log-density of values, parameter by parameter.

    Args:
        values: Shape ``(..., P)``.
        mean: Means mu of the normals, shape ``(P,)``.
        sigma: Their standard deviation.

    Returns:
        Shape ``(..., P)``; -inf for a value outside [0, 1].
    """
    normal = -0.5 * ((values - mean) / sigma).square()
    constant = math.log(sigma) + 0.5 * math.log(2 * math.pi)
    mass = ndtr((1 - mean) / sigma) - ndtr(-mean / sigma)
    inside = normal - constant - mass.log()
    return inside.masked_fill((values < 0) | (values > 1), -math.inf)
