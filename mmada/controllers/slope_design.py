"""Points that tell a slope, and the step that is taken up it."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def waves(count: int, size: int) -> Tensor:
    """Return points on waves: columns ``cos(2 pi h j / m)`` and ``sin``.

    Columns have mean 0 and variance 1 over the points and are orthogonal. Odd
    frequencies come first: with an even count each point then has another one
    opposite, as long as ``size <= count / 2``, so that curvature is not taken
    for a slope.

    Args:
        count: Number m of points, at least 2.
        size: Number of columns, at most ``count - 1``.

    Returns:
        Points, shape ``(count, size)``.
    """
    steps = torch.arange(count, dtype=torch.float64) * (2 * math.pi / count)
    columns = []
    for frequency in sorted(
        range(1, count // 2 + 1), key=lambda h: (h % 2 == 0, h)
    ):
        if 2 * frequency == count:  # whose sine is 0
            columns.append((frequency * steps).cos())
            continue
        for wave in ((frequency * steps).cos(), (frequency * steps).sin()):
            columns.append(math.sqrt(2) * wave)
    return torch.stack(columns[:size], -1)


def design(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Place points so that a slope between them is best known.

    Columns have mean 0 and variance 1 over the points and are orthogonal, as
    far as there are points: in ``count - 1`` directions. Chance turns them,
    so that no direction is always left out.

    Args:
        count: Number m of points, at least 2.
        size: Number of dimensions.
        generator: Source of the turn.

    Returns:
        Points, shape ``(count, size)``.
    """
    known = min(count - 1, size)
    turn = torch.randn(size, size, dtype=torch.float64, generator=generator)
    axes, _ = torch.linalg.qr(turn)
    return waves(count, known) @ axes[:known]


def shrunk_step(points: Tensor, metrics: Tensor, noise: float) -> Tensor:
    r"""Return the step from the middle of a design up the slope.

    .. math:: g = \frac1m \sum_j v_j u_j, \quad
        \delta = \frac{g}{|g|} \sqrt{d}\,
        \max\left(0, 1 - \frac{d\, s^2}{m |g|^2}\right)

    for m points u of variance 1 in each of d directions: as far as the
    points themselves were, less what the noise s of the metrics may have
    feigned (James and Stein's factor).

    Args:
        points: Points u, centred, shape ``(m, k)``.
        metrics: Metrics v, shape ``(m,)``.
        noise: Standard deviation s of a metric by chance alone.
    """
    count = len(points)
    size = int(torch.linalg.matrix_rank(points))
    slope = points.T @ (metrics - metrics.mean()) / count
    square = float(slope @ slope)
    if square == 0 or size == 0:
        return torch.zeros_like(slope)
    trust = max(0.0, 1 - size * noise**2 / (count * square))
    return slope * (trust * math.sqrt(size / square))
