"""Whole trainings around a start, and a step up the slope between them.

:class:`SlopeSearch` is the controller; the functions after it place the points
whose trainings show the slope, and take the step up it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from mmada.controllers.base import Plan, Rest, RoundResult, Start
from mmada.controllers.rewards import RoundRewards
from mmada.controllers.weight_search import WeightSearch
from mmada.policies.ensemble import WEIGHT_FLOOR, PolicyEnsemble
from mmada.policies.policy import GroupPolicy, centred_basis
from mmada.utils.checks import check_int, check_number

LAST = 3
"""The last third of a training's metrics is averaged."""
CHANCE = 0.015
"""Usual spread of a metric over seeds, as a share of the metric."""


class SlopeSearch(WeightSearch):
    """A reward that sees the whole training, not the next round.

    What a weight does to a metric within a round is little and often not
    what it does in the end. So each replica trains from the first round to
    the last with log-factors of its own, placed around the start so that m
    trainings show the slope; the policy is one step up that slope.

    The start is inverse-loss weighting of l^1, so the scale of each loss
    drops out. Needs the states of all replicas (`Start.OWN`).

    Args:
        num_objectives: Number n of losses that are weighted.
        num_rounds: Number T of rounds, of a whole training together.
        num_replicas: Number m of replicas, at least 2; from as many as
            there are groups on, no direction is left out; an even number of
            twice as many as groups less one keeps curvature apart.
        groups: Indices of the objectives of each group that shares a
            factor. Defaults to one group for each objective.
        start: Exponent of inverse-loss weighting, in [0, 1]. Defaults to 1.
        sigma: Standard deviation of each log-factor over the replicas.
            Defaults to 1.2.
        noise: Standard deviation of the metric between trainings that
            differ by chance alone, in the metric's unit. Defaults to
            `CHANCE` times the mean of the replicas' metrics.
        seed: Seed of the directions. Defaults to 0.

    Raises:
        ValueError: If a value is out of range.
    """

    start: ClassVar[Start] = Start.OWN

    def __init__(
        self,
        num_objectives: int,
        num_rounds: int,
        num_replicas: int,
        groups: Sequence[Sequence[int]] | None = None,
        start: float = 1.0,
        sigma: float = 1.2,
        noise: float | None = None,
        seed: int = 0,
    ) -> None:
        self._policy = GroupPolicy(num_objectives, groups, start)
        self._policy.requires_grad_(False)
        options = dict(
            groups=self._policy.groups, start=start, sigma=sigma, noise=noise
        )
        check_int('num_replicas', num_replicas, 2)
        super().__init__(
            num_objectives, num_rounds, num_replicas, seed, options
        )
        self._sigma = check_number('sigma', sigma, 0, above=True)
        self._noise = (
            None if noise is None else check_number('noise', noise, 0)
        )
        self._basis = centred_basis(len(self._policy.groups))
        self._points = torch.empty(0)
        self._metrics: list[Tensor] = []

    @classmethod
    def training_rounds(
        cls, num_rounds: int, options: Mapping[str, Any]
    ) -> int:
        """Return T: the search is as long as a training."""
        return num_rounds

    @property
    def needs_losses(self) -> bool:
        """Whether the policy compares losses."""
        return self._policy.needs_losses

    def plan(self) -> Plan:
        """All begin together and go on from their own states."""
        if not self._metrics:
            return (Start.INITIAL,) * self.num_replicas
        return tuple(
            Start.OWN if bool(alive) else Rest.EMPTY
            for alive in self._metrics[-1].isfinite()
        )

    def draw(self) -> Tensor:
        """Return the same weights in each round."""
        assert self._initial_losses is not None
        if not len(self._points):
            self._points = design(
                self.num_replicas, len(self._basis), self.generator
            )
        factors = self._sigma * self._points @ self._basis
        mean = self._policy(self._initial_losses)
        return self._policy.decode(mean + self._policy.expand(factors))

    def observe(self, metrics: Tensor, reference: float | None) -> RoundResult:
        """Note the metrics; after the last round, take the step.

        Raises:
            RuntimeError: If no round is open.
            ValueError: If ``metrics`` or ``reference`` is malformed.
        """
        result = super().observe(metrics, reference)
        if result.best >= 0:
            self._metrics.append(metrics.double().clone())
        return (
            self._step(result)
            if self.rounds_done == self.num_rounds
            else result
        )

    def _step(self, result: RoundResult) -> RoundResult:
        """Move the policy; say so, or why it stays where it is."""
        metrics = self._final_metrics()
        noise = self._noise
        if noise is None:
            noise = CHANCE * abs(float(metrics.mean()))
        slope = slope_at_middle(self._points, metrics)
        trust = confidence(self._points, slope, noise)
        step = trust * self._sigma * step_up(self._points, slope)
        self._policy.bias.zero_()
        self._policy.move(step @ self._basis)
        result = result._replace(info=result.info | dict(confidence=trust))
        if trust:
            return result
        reason = (
            'the policy stays at its start: the replicas ended at '
            f'{float(metrics.min()):.4g} to {float(metrics.max()):.4g}, which '
            'chance explains if its standard deviation, the option `noise`, '
            f'is {noise:.3g}'
        )
        return result._replace(updated=False, reason=reason)

    def _final_metrics(self) -> Tensor:
        """Return the mean of each replica's last rounds, ``(m,)``."""
        count = -(-self.num_rounds // LAST)
        metrics = torch.stack(self._metrics[-count:]).mean(0)
        valid = metrics.isfinite()
        # One that failed is as bad as the worst.
        return metrics.where(valid, metrics[valid].min())

    def learn(self, drawn: Tensor, rewarded: RoundRewards) -> None:
        """Do nothing: the last rounds decide."""

    def keep(self, weights: Tensor, metric: Tensor) -> None:
        """Do nothing: the slope is between all replicas."""

    def ensemble(self) -> PolicyEnsemble:
        """Return the one policy; see :class:`WeightController`.

        Raises:
            RuntimeError: If no round was won by a valid replica yet.
        """
        losses, provenance = self._provenance()
        weights = self._policy.weights(losses).clamp(min=WEIGHT_FLOOR)
        return PolicyEnsemble(
            policies=(self._policy,),
            provenance=provenance,
            initial_losses=losses,
            best_weights=weights,
        )

    def _memory(self) -> dict[str, Any]:
        return dict(
            points=self._points,
            metrics=list(self._metrics),
            bias=self._policy.bias.detach().clone(),
        )

    def _remember(self, memory: dict[str, Any]) -> None:
        self._points = memory['points']
        self._metrics = list(memory['metrics'])
        self._policy.bias.copy_(memory['bias'])


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


def step_up(points: Tensor, slope: Tensor) -> Tensor:
    r"""Return the step :math:`\sqrt{d}\, g / |g|`, as far as the points were.

    Args:
        points: Points of a design, in d directions, shape ``(m, k)``.
        slope: Slope g of :func:`slope_at_middle`, shape ``(k,)``; where it
            is zero, so is the step.
    """
    size = int(torch.linalg.matrix_rank(points))
    return torch.nn.functional.normalize(slope, dim=0) * math.sqrt(size)
