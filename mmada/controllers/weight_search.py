"""Searches that work on weights, without a policy network.

:class:`WeightSearch` plays the rounds. :class:`ScheduleSearch` is for a
schedule: weights for each round of one training.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Generator, Tensor

from mmada.controllers.base import RoundResult
from mmada.controllers.rewards import (
    RoundRewards,
    reward_round,
    select_best,
    standardised_reward,
)
from mmada.controllers.rounds import WeightRounds
from mmada.policies.ensemble import WEIGHT_FLOOR, PolicyEnsemble
from mmada.policies.policy import (
    ConstantPolicy,
    Policy,
    centred_log,
    complete_groups,
    group_indices,
    mean_one_weights,
)
from mmada.utils.checks import check_number, check_numbers

InitialWeights = Sequence[float] | Literal['inverse_loss'] | None
"""Weights that a search starts from.

A list of them, inverse-loss weighting of l^1, or None for all ones.
"""


class WeightSearch(WeightRounds):
    """Base of the searches whose state is a few vectors of weights.

    It rewards the replicas of a round with their standardised metrics (-1
    for one that failed) and counts the rounds with a winner. What is drawn,
    learned and kept is up to the subclass; weights that are drawn below
    ``WEIGHT_FLOOR`` train at it.

    Args:
        num_objectives: Number n of losses that are weighted.
        num_rounds: Number T of rounds.
        num_replicas: Number m of replicas.
        seed: Seed of what is drawn.
        options: The subclass's own options, JSON-able.
        initial: Weights to start from; ``'inverse_loss'`` for inverse-loss
            weighting of l^1, with mean 1, and None for all ones. Defaults to
            None.
        groups: Indices of the objectives of each of the k groups that share
            a factor on their initial weights; None is one group for each
            objective. Defaults to None.

    Raises:
        ValueError: If a value is out of range.
    """

    def __init__(
        self,
        num_objectives: int,
        num_rounds: int,
        num_replicas: int,
        seed: int,
        options: dict[str, Any],
        initial: InitialWeights = None,
        groups: Sequence[Sequence[int]] | None = None,
    ) -> None:
        super().__init__(
            num_objectives, num_rounds, num_replicas, seed, options
        )
        self._fixed_initial = _fixed(initial, num_objectives)
        self._groups = complete_groups(groups, num_objectives)
        self._group_of = group_indices(self._groups)
        # What a search does not use is no part of what it is.
        if initial is not None:
            fixed = self._fixed_initial
            self._identity['options']['initial'] = (
                initial if fixed is None else fixed.tolist()
            )
        if groups is not None:
            self._identity['options']['groups'] = self._groups

    @property
    def needs_losses(self) -> bool:
        """Whether the initial weights are those of losses."""
        return self._fixed_initial is None

    @property
    def initial(self) -> Tensor:
        """Weights that the search starts from, shape ``(n,)``.

        Those of l^1 are known once the first round was proposed.
        """
        if self._fixed_initial is not None:
            return self._fixed_initial
        assert self._initial_losses is not None
        return mean_one_weights(-centred_log(self._initial_losses))

    @property
    def num_groups(self) -> int:
        """Number k of factors."""
        return len(self._groups)

    def expand(self, factors: Tensor) -> Tensor:
        """Give each objective its group's factor: ``(..., k)`` to ``n``."""
        return factors[..., self._group_of]

    @abstractmethod
    def draw(self) -> Tensor:
        """Return the weights of the open round, positive, ``(m, n)``."""

    def _drawn(self) -> Tensor:
        """Return what the replicas of the open round train with."""
        return self.draw()

    def learn(self, drawn: Tensor, rewarded: RoundRewards) -> None:
        """Learn from a round whose metrics tell replicas apart.

        Args:
            drawn: What :meth:`draw` gave, shape ``(m, n)``.
            rewarded: With the rewards.
        """

    @abstractmethod
    def keep(self, weights: Tensor, metric: Tensor) -> None:
        """Take note of a round's winner, after :meth:`learn`.

        Args:
            weights: That :meth:`draw` gave, shape ``(n,)``; it trained with
                them or, where they are smaller, with ``WEIGHT_FLOOR``.
            metric: That it reached, shape ``()``.
        """

    def propose(self, losses: Tensor) -> Tensor:
        """Draw the weights of one round; only the first losses may count.

        Raises:
            RuntimeError: If a round is still open, or all are done.
            ValueError: If a loss is negative and the draws depend on it.
        """
        self._checked_losses(losses)
        drawn = self._drawn()
        self._pending = dict(drawn=drawn)
        return drawn.clamp(min=WEIGHT_FLOOR)

    def observe(self, metrics: Tensor, reference: float | None) -> RoundResult:
        """Reward the replicas; ``reference`` plays no part.

        Raises:
            RuntimeError: If no round is open.
            ValueError: If ``metrics`` or ``reference`` is malformed.
        """
        metrics, _ = self._check_open(metrics, reference)
        rewarded = reward_round(metrics, standardised_reward)
        pending, self._pending = self._pending, {}
        if rewarded.informative:
            self.learn(pending['drawn'], rewarded)
        best = select_best(metrics)
        if best >= 0:
            self.keep(pending['drawn'][best].clone(), metrics[best])
            self.rounds_done += 1
        info = dict(
            num_valid=float(rewarded.valid.sum()), spread=rewarded.spread
        )
        return RoundResult(
            best, rewarded.rewards, rewarded.informative, info, rewarded.reason
        )

    def _ensemble_of(self, policy: Policy, best: Tensor) -> PolicyEnsemble:
        """Return the ensemble of one policy, which has found weights."""
        losses, provenance = self._provenance()
        return PolicyEnsemble(
            policies=(policy,),
            provenance=provenance,
            initial_losses=losses,
            best_weights=best,
        )


def _fixed(initial: InitialWeights, num_objectives: int) -> Tensor | None:
    """Return initial weights as a vector; None for those of losses."""
    if initial is None:
        return torch.ones(num_objectives, dtype=torch.float64)
    if isinstance(initial, str) and initial == 'inverse_loss':
        return None
    if isinstance(initial, str):
        raise ValueError(
            f"`initial` should be {num_objectives} weights, 'inverse_loss' or "
            f'None. Found {initial!r}.'
        )
    return check_numbers('initial', initial, num_objectives, WEIGHT_FLOOR)


REPLAY = 1e-300
"""Discount with which Eq. 7 is the nearest round alone."""


class ScheduleSearch(WeightSearch):
    """Base of the searches that go on from the best replica.

    They leave one constant policy for each round. With the discount
    ``REPLAY`` a training of as many epochs as rounds replays the schedule;
    a larger one blends rounds, as Ada-Segment's Eq. 7 does.

    Args:
        num_objectives: Number n of losses that are weighted.
        num_rounds: Number T of rounds.
        num_replicas: Number m of replicas.
        seed: Seed of what is drawn.
        initial: Weights to start from; see :class:`WeightSearch`.
        gamma: Discount of the ensemble, in (0, 1].
        options: The subclass's own options, JSON-able.
        groups: Objectives that share a factor; see :class:`WeightSearch`.
            Defaults to None.

    Raises:
        ValueError: If a value is out of range.
    """

    def __init__(
        self,
        num_objectives: int,
        num_rounds: int,
        num_replicas: int,
        seed: int,
        initial: InitialWeights,
        gamma: float,
        options: dict[str, Any],
        groups: Sequence[Sequence[int]] | None = None,
    ) -> None:
        super().__init__(
            num_objectives,
            num_rounds,
            num_replicas,
            seed,
            options,
            [1.0] * num_objectives if initial is None else initial,
            groups,
        )
        self._gamma = check_number('gamma', gamma, 0, 1, above=True)
        self._identity['options'] |= dict(gamma=gamma)
        self._schedule: list[Tensor] = []
        self._winner: Tensor | None = None

    @property
    def centre(self) -> Tensor:
        """Weights of the last winner, at first the initial ones, ``(n,)``."""
        return self.initial if self._winner is None else self._winner

    def perturbed(self, centre: Tensor, sigma: float, count: int) -> Tensor:
        """Multiply weights by factors drawn by :func:`log_normal`.

        Args:
            centre: Positive weights, shape ``(n,)``.
            sigma: Standard deviation of the logarithm of each group's factor.
            count: Number of rows.
        """
        ones = torch.ones(self.num_groups, dtype=torch.float64)
        factors = log_normal(ones, sigma, count, self.generator)
        return centre * self.expand(factors)

    def _scheduled(self, winner: Tensor) -> Tensor:
        """Return the weights that stand for a round, ``(n,)``.

        Args:
            winner: Weights that the round's winner trained with, which are
                returned by default.
        """
        return winner

    def keep(self, weights: Tensor, metric: Tensor) -> None:
        self._winner = weights.clamp(min=WEIGHT_FLOOR)
        self._schedule.append(self._scheduled(self._winner))

    def ensemble(self) -> PolicyEnsemble:
        """Return the schedule so far; see :class:`WeightController`.

        Raises:
            RuntimeError: If no round was won by a valid replica yet.
        """
        losses, provenance = self._provenance()
        assert self._winner is not None
        return PolicyEnsemble(
            policies=tuple(
                ConstantPolicy.of(weights) for weights in self._schedule
            ),
            gamma=self._gamma,
            provenance=provenance,
            initial_losses=losses,
            best_weights=self._winner.clone(),
        )

    def _memory(self) -> dict[str, Any]:
        return dict(schedule=self._schedule, winner=self._winner)

    def _remember(self, memory: dict[str, Any]) -> None:
        self._schedule = memory['schedule']
        self._winner = memory['winner']


def log_normal(
    centre: Tensor, sigma: float, count: int, generator: Generator
) -> Tensor:
    """Multiply weights by independent factors ``exp(sigma N(0, 1))``.

    Args:
        centre: Positive weights, shape ``(n,)``.
        sigma: Standard deviation of the logarithm of a factor.
        count: Number m of rows.
        generator: Random stream of the factors.

    Returns:
        Weights, shape ``(m, n)``.
    """
    noise = torch.randn(
        count, len(centre), dtype=torch.float64, generator=generator
    )
    return centre * (sigma * noise).exp()
