"""Whole trainings around a start, and one step up the slope between them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mmada.controllers.base import Plan, Rest, RoundResult, Start
from mmada.controllers.rewards import RoundRewards
from mmada.controllers.slope_search.response_surface import (
    confidence,
    design,
    mean_curvature,
    response_at,
    slope_at_middle,
    step_up,
)
from mmada.controllers.weight_search import WeightSearch
from mmada.policies.ensemble import WEIGHT_FLOOR, PolicyEnsemble
from mmada.policies.policy import GroupPolicy, centred_basis
from mmada.utils.checks import check_bool, check_int, check_number

LAST = 3
"""The metrics of the last rounds are averaged, a third of a training's."""
CHANCE = 0.015
"""Usual spread of a metric over seeds, as a share of the metric."""
EARLY = 2
"""Times `noise` by which a search that ends early has to promise more."""


class Ascent(NamedTuple):
    """What the metrics of a design say.

    Attributes:
        step: From the start, in units of `sigma`, shape ``(k,)``.
        confidence: How much of the slope chance may not have feigned.
        curvature: Of the response; None without a centre point's metric.
        promised: Metric at the end of the step.
        control: Metric with all weights 1; None if it is not known.
        chance: Standard deviation of a metric by chance alone.
        margin: What a lead over all weights 1 has to exceed.
    """

    step: Tensor
    confidence: float
    curvature: float | None
    promised: float
    control: float | None
    chance: float
    margin: float

    @property
    def leads(self) -> bool:
        """Whether the step promises more than all weights 1 had."""
        return (
            self.control is not None
            and self.promised - self.control > self.margin
        )


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
    drops out. Where losses are balanced already it may be worse than no
    weighting, and by more than the step gains. So one replica is a control
    with all weights 1: unless the step promises more than it had, the search
    has learned nothing, and a training with its policy has all weights 1.
    A search that ends before its trainings do has to promise more by `EARLY`
    times `noise`, since less is mostly not kept. Where chance explains the
    slope there is no step, and the start is used if it ended above the
    control by more than `noise`.
    Needs the states of all replicas (`Start.OWN`).

    Args:
        num_objectives: Number n of losses that are weighted.
        num_rounds: Number T of rounds, of a whole training together or of
            the first part of one.
        num_replicas: Number m of replicas, at least 3, the centre point and
            the control among them (2 without a centre point). From as many
            others as there are groups on, no direction is left out; an even
            number of others, twice as many as groups less one, keeps
            curvature out of the slope. With two groups more than two others
            repeat points.
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
        control: Whether the last replica trains with all weights 1. There is
            no control where the centre point has them, because `start` is 0,
            or where fewer than two others would be left. Defaults to True.
        rounds_per_training: Rounds of a whole training, at least T. With
            more than T the search ends before the trainings do, whose
            schedules stay as long. Defaults to T.
        seed: Seed of the directions. Defaults to 0.

    Raises:
        ValueError: If a value is out of range.
    """

    start = Start.OWN

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
        control: bool = True,
        rounds_per_training: int | None = None,
        seed: int = 0,
    ) -> None:
        self._policy = GroupPolicy(num_objectives, groups, start)
        self._policy.requires_grad_(False)
        self._num_centre = int(check_bool('centre', centre))
        check_bool('control', control)
        least = 2 + self._num_centre
        check_int('num_replicas', num_replicas, least)
        wants_control = control and not (centre and start == 0)
        self._num_control = int(wants_control and num_replicas > least)
        options = dict(
            groups=self._policy.groups,
            start=start,
            sigma=sigma,
            noise=noise,
            centre=centre,
        )
        self._whole = self.training_rounds(
            check_int('num_rounds', num_rounds, 1),
            dict(rounds_per_training=rounds_per_training),
        )
        if self._whole > num_rounds:
            options['rounds_per_training'] = self._whole
        if self._num_control:
            options['control'] = True
        super().__init__(
            num_objectives, num_rounds, num_replicas, seed, options
        )
        # With more replicas there is a control.
        self._warn_of_few_replicas(self._num_centre + wants_control)
        self._sigma = check_number('sigma', sigma, 0, above=True)
        self._noise = (
            None if noise is None else check_number('noise', noise, 0)
        )
        self._basis = centred_basis(len(self._policy.groups))
        self._points = torch.empty(0)
        self._metrics: list[Tensor] = []

    @property
    def _num_outer(self) -> int:
        """Replicas that are neither the centre point nor the control."""
        return self.num_replicas - self._num_centre - self._num_control

    def _warn_of_few_replicas(self, alone: int) -> None:
        """Warn of directions between weights that are left out.

        Args:
            alone: Replicas beside the others, if there are enough.
        """
        groups = len(self._policy.groups)
        directions = groups - 1
        if self._num_outer <= directions:
            warnings.warn(
                f'`num_replicas` should be at least {directions + 1 + alone}, '
                f'better {2 * directions + alone}, to tell the {directions} '
                f'directions between {groups} weights apart. Found '
                f'{self.num_replicas}.',
                stacklevel=3,
            )

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
            outer = design(self._num_outer, len(self._basis), self.generator)
            centre = outer.new_zeros(self._num_centre, len(self._basis))
            self._points = torch.cat([centre, outer])
        factors = self._sigma * self._points @ self._basis
        mean = self._policy(self._initial_losses)
        drawn = self._policy.decode(mean + self._policy.expand(factors))
        control = drawn.new_ones(self._num_control, self.num_objectives)
        return torch.cat([drawn, control])

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
        """Move the policy; say so, or why a training has all weights 1."""
        ascent = self._ascent()
        self._policy.bias.zero_()
        self._policy.move(self._sigma * ascent.step @ self._basis)
        info = dict(confidence=ascent.confidence)
        if self._num_centre:
            info['step'] = self._sigma * float(ascent.step.norm())
        if ascent.curvature is not None:
            info['curvature'] = ascent.curvature
        if ascent.control is not None:
            info['control'] = ascent.control
        if self._num_control:
            info.update(promised=ascent.promised, margin=ascent.margin)
        reason = self._why_no_step(ascent)
        return result._replace(
            info=result.info | info,
            updated=result.updated and not reason,
            reason=reason or result.reason,
        )

    def _why_no_step(self, ascent: Ascent) -> str:
        """Say why there is no step, or none that is used; '' if there is."""
        if not ascent.confidence:
            reason = f'the policy stays at its start: {self._ended(ascent)}'
            if ascent.leads:
                reason += (
                    '; it is used, since the replica with all weights 1 ended '
                    f'at {ascent.control:.4g}, below {ascent.promised:.4g}'
                )
            return reason
        if ascent.control is None or ascent.leads:
            return ''
        return (
            f'the replica with all weights 1 ended at {ascent.control:.4g}'
            '; the step should promise more than '
            f'{ascent.control + ascent.margin:.4g}, and promises '
            f'{ascent.promised:.4g}'
        )

    def learned(self, updated: Sequence[bool], metrics: Tensor) -> bool:
        """Return whether the policy promises more than all weights 1 had.

        Without a control's metric any step will do.
        """
        ascent = self._ascent()
        stepped = bool(self._policy.bias.any())
        return ascent.leads or (stepped and ascent.control is None)

    def _ascent(self) -> Ascent:
        """Estimate the response and the step from the last metrics."""
        centre, control, outer = self._final_metrics()
        points = self._points[self._num_centre :]
        slope = slope_at_middle(points, outer)
        curvature = mean_curvature(points, outer, centre)
        chance = self._chance(outer)
        trust = confidence(points, slope, chance)
        step = trust * step_up(points, slope, curvature)
        middle = centre if len(centre) else outer.mean(0, keepdim=True)
        return Ascent(
            step=step,
            confidence=trust,
            curvature=curvature if len(centre) else None,
            promised=response_at(step, float(middle), slope, curvature),
            control=float(control) if len(control) else None,
            chance=chance,
            margin=self._margin(chance, trust),
        )

    def _margin(self, chance: float, trust: float) -> float:
        if self._whole > self.num_rounds:
            return EARLY * chance
        return 0.0 if trust else chance

    def _chance(self, outer: Tensor) -> float:
        if self._noise is not None:
            return self._noise
        return CHANCE * abs(float(outer.mean()))

    def _ended(self, ascent: Ascent) -> str:
        """Say why the replicas around the start show no slope."""
        _, outer, _ = self._split(self._last_means())
        ends = outer[outer.isfinite()]
        if len(ends) < 2:
            return (
                f'{len(ends)} of the {len(outer)} replicas around it ended '
                'with a metric'
            )
        low, high = float(ends.min()), float(ends.max())
        if low == high:
            return f'all replicas around it ended at {low:.4g}'
        return (
            f'the replicas around it ended at {low:.4g} to {high:.4g}, a '
            'slope which chance explains if its standard deviation, the '
            f'option `noise`, is {ascent.chance:.3g}'
        )

    def _last_means(self) -> Tensor:
        """Return the mean of each replica's last rounds, ``(m,)``."""
        count = min(self.num_rounds, -(-self._whole // LAST))
        return torch.stack(self._metrics[-count:]).mean(0)

    def _split(self, metrics: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return those of the centre point, of the others, of the control."""
        centre, around, control = metrics.split(
            [self._num_centre, self._num_outer, self._num_control]
        )
        return centre, around, control

    def _final_metrics(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return the mean of each replica's last rounds.

        Returns:
            That of the centre point and of the control, each ``(1,)``, or
            ``(0,)`` where there is none or it failed, and those of the others.
        """
        centre, outer, control = self._split(self._last_means())
        centre, control = (
            alone[alone.isfinite()] for alone in (centre, control)
        )
        # One that failed is as bad as the worst of the design.
        ended = torch.cat([centre, outer[outer.isfinite()]])
        worst = (ended if len(ended) else control).min()
        return centre, control, outer.where(outer.isfinite(), worst)

    def _adopt(self, identity: dict[str, Any]) -> None:
        # Earlier searches had no such replicas.
        options = self._identity['options']
        theirs = identity.get('options', options)
        if 'centre' not in theirs:
            options.pop('centre', None)
            self._num_centre = 0
        if 'control' not in theirs:
            options.pop('control', None)
            self._num_control = 0

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
