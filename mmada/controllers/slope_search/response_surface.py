"""A first-order response-surface design with a centre point, as mathematics.

Points of a design, and what the metrics at them say: slope, curvature, how
far chance explains the slope, and the step of steepest ascent.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


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


def slope_at_middle(points: Tensor, metrics: Tensor) -> Tensor:
    r"""Return the slope :math:`g = \frac1m \sum_j v_j u_j` of the metrics.

    Args:
        points: Points u of a design, shape ``(m, k)``.
        metrics: Metrics v, shape ``(m,)``.
    """
    return points.T @ (metrics - metrics.mean()) / len(points)


def confidence(points: Tensor, slope: Tensor, noise: float) -> float:
    r"""Return how much of a slope noise may not have feigned.

    .. math:: \max\left(0, 1 - \frac{d\, s^2}{m |g|^2}\right)

    for m points of variance 1 in each of d directions (James and Stein's
    factor).

    Args:
        points: Points of a design, shape ``(m, k)``.
        slope: Slope g of :func:`slope_at_middle`, shape ``(k,)``.
        noise: Standard deviation s of a metric by chance alone.
    """
    square = float(slope @ slope)
    if square == 0:
        return 0.0
    size = int(torch.linalg.matrix_rank(points))
    return max(0.0, 1 - size * noise**2 / (len(points) * square))


def mean_curvature(points: Tensor, metrics: Tensor, centre: Tensor) -> float:
    r"""Return c of the response :math:`v = v_0 + g^\top u - c |u|^2`.

    .. math:: c = (v_0 - \bar v) / d

    for points of variance 1 in each of d directions.

    Args:
        points: Points u of a design, in d directions, shape ``(m, k)``.
        metrics: Metrics v at them, shape ``(m,)``.
        centre: Metric v_0 at the centre, shape ``(1,)``; shape ``(0,)`` where
            it is not known, which counts as no curvature.
    """
    if not len(centre):
        return 0.0
    size = int(torch.linalg.matrix_rank(points))
    return float(centre[0] - metrics.mean()) / size


def step_up(points: Tensor, slope: Tensor, curvature: float) -> Tensor:
    r"""Return the step of steepest ascent, up to the top of the response.

    .. math:: \min\left(\frac{|g|}{2c}, \sqrt{d}\right) \frac{g}{|g|}

    It ends where the points of the design are, at the latest, and there if
    the response has no top: if c is not positive.

    Args:
        points: Points of a design, in d directions, shape ``(m, k)``.
        slope: Slope g of :func:`slope_at_middle`, shape ``(k,)``; where it
            is zero, so is the step.
        curvature: c of :func:`mean_curvature`.
    """
    length = math.sqrt(int(torch.linalg.matrix_rank(points)))
    if curvature > 0:
        length = min(length, float(slope.norm()) / (2 * curvature))
    return torch.nn.functional.normalize(slope, dim=0) * length


def response_at(
    step: Tensor, middle: float, slope: Tensor, curvature: float
) -> float:
    r"""Return the response :math:`v_0 + g^\top u - c |u|^2` at a step.

    Args:
        step: Step u, shape ``(k,)``.
        middle: Metric v_0 in the middle of the points.
        slope: Slope g of :func:`slope_at_middle`, shape ``(k,)``.
        curvature: c of :func:`mean_curvature`.
    """
    return middle + float(slope @ step) - curvature * float(step @ step)
