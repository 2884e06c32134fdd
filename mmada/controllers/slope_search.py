"""A response-surface design of whole trainings, and a step of steepest ascent.

:class:`SlopeSearch` is the controller; the functions after it place the points
of the design, estimate slope and curvature, and take the step.
"""

from __future__ import annotations

import math
import warnings
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
    the last with log-factors of its own, placed around the start so that the
    trainings show the slope; the policy is one step up that slope. The first
    replica trains at the start itself, the centre point of the design: how
    far it ends above the mean of the others tells how the metric is curved,
    and so where the ascent ends. The step is never longer than the way to
    the other points.

    The start is inverse-loss weighting of l^1, so the scale of each loss
    drops out. Needs the states of all replicas (`Start.OWN`).

    Args:
        num_objectives: Number n of losses that are weighted.
        num_rounds: Number T of rounds, of a whole training together or of
            the first part of one.
        num_replicas: Number m of replicas, at least 3, the centre point
            among them (2 without one). From as many others as there are
            groups on, no direction is left out; an even number of others,
            twice as many as groups less one, keeps curvature out of the
            slope.
        groups: Indices of the objectives of each group that shares a
            factor. Defaults to one group for each objective.
        start: Exponent of inverse-loss weighting, in [0, 1]. Defaults to 1.
        sigma: Standard deviation of each log-factor over the replicas.
            Defaults to 1.2.
        noise: Standard deviation of the metric between trainings that
            differ by chance alone, in the metric's unit. Defaults to
            `CHANCE` times the mean of the replicas' metrics.
        centre: Whether the first replica is the centre point. Without one
            the step is as long as the way to the points. Defaults to True.
        rounds_per_training: Rounds of a whole training, at least T. With
            more than T the search ends before the trainings do, whose
            schedules stay as long. Defaults to T.
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
        centre: bool = True,
        rounds_per_training: int | None = None,
        seed: int = 0,
    ) -> None:
        self._policy = GroupPolicy(num_objectives, groups, start)
        self._policy.requires_grad_(False)
        if not isinstance(centre, bool):
            raise ValueError(
                f'`centre` should be True or False. Found {centre!r}.'
            )
        self._num_centre = int(centre)
        options = dict(
            groups=self._policy.groups,
            start=start,
            sigma=sigma,
            noise=noise,
            centre=centre,
        )
        whole = self.training_rounds(
            num_rounds, dict(rounds_per_training=rounds_per_training)
        )
        if whole > num_rounds:
            options['rounds_per_training'] = whole
        check_int('num_replicas', num_replicas, 2 + self._num_centre)
        super().__init__(
            num_objectives, num_rounds, num_replicas, seed, options
        )
        directions = len(self._policy.groups) - 1
        if num_replicas - self._num_centre <= directions:
            warnings.warn(
                f'`num_replicas` should be at least '
                f'{directions + 1 + self._num_centre}, better '
                f'{2 * directions + self._num_centre}, to tell the '
                f'{directions} directions between '
                f'{len(self._policy.groups)} weights apart. Found '
                f'{num_replicas}.',
                stacklevel=2,
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
        """Return `rounds_per_training`, or T."""
        whole = options.get('rounds_per_training')
        if whole is None:
            return num_rounds
        return check_int('rounds_per_training', whole, num_rounds)

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
            outer = design(
                self.num_replicas - self._num_centre,
                len(self._basis),
                self.generator,
            )
            centre = outer.new_zeros(self._num_centre, len(self._basis))
            self._points = torch.cat([centre, outer])
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
        centre, outer = self._final_metrics()
        points = self._points[self._num_centre :]
        noise = self._noise
        if noise is None:
            noise = CHANCE * abs(float(outer.mean()))
        slope = slope_at_middle(points, outer)
        curvature = mean_curvature(points, outer, centre)
        trust = confidence(points, slope, noise)
        step = trust * self._sigma * step_up(points, slope, curvature)
        self._policy.bias.zero_()
        self._policy.move(step @ self._basis)
        info = dict(confidence=trust)
        if self._num_centre:
            info['step'] = float(step.norm())
        if len(centre):
            info['curvature'] = curvature
        result = result._replace(info=result.info | info)
        if trust:
            return result
        ends = torch.cat([centre, outer])
        low, high = float(ends.min()), float(ends.max())
        ended = (
            f'all replicas ended at {low:.4g}'
            if low == high
            else f'the replicas ended at {low:.4g} to {high:.4g}, which '
            'chance explains if its standard deviation, the option `noise`, '
            f'is {noise:.3g}'
        )
        reason = f'the policy stays at its start: {ended}'
        return result._replace(updated=False, reason=reason)

    def learned(self, updated: Sequence[bool], metrics: Tensor) -> bool:
        """Return whether the step was taken."""
        return bool(self._policy.bias.any())

    def _final_metrics(self) -> tuple[Tensor, Tensor]:
        """Return the mean of each replica's last rounds.

        Returns:
            That of the centre point, ``(1,)``, or ``(0,)`` where there is
            none or it failed, and those of the others.
        """
        count = -(-self.num_rounds // LAST)
        metrics = torch.stack(self._metrics[-count:]).mean(0)
        valid = metrics.isfinite()
        centre, outer = metrics.tensor_split([self._num_centre])
        # One that failed is as bad as the worst.
        worst = metrics[valid].min()
        return (
            centre[centre.isfinite()],
            outer.where(outer.isfinite(), worst),
        )

    def _adopt(self, identity: dict[str, Any]) -> None:
        options = self._identity['options']
        if 'centre' not in identity.get('options', options):
            options.pop('centre', None)  # there was no such replica then
            self._num_centre = 0

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
