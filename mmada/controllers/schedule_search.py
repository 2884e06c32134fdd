"""Searches that end with a schedule: weights for each round."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from mmada.controllers.weight_draws import initial_weights
from mmada.controllers.weight_search import WeightSearch
from mmada.policies.ensemble import PolicyEnsemble
from mmada.policies.policy import ConstantPolicy
from mmada.utils.checks import check_number

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
        initial: Weights to start from; None for all ones.
        gamma: Discount of the ensemble, in (0, 1].
        options: The subclass's own options, JSON-able.

    Raises:
        ValueError: If a value is out of range.
    """

    def __init__(
        self,
        num_objectives: int,
        num_rounds: int,
        num_replicas: int,
        seed: int,
        initial: Sequence[float] | None,
        gamma: float,
        options: dict[str, Any],
    ) -> None:
        super().__init__(
            num_objectives, num_rounds, num_replicas, seed, options
        )
        self._initial = initial_weights(initial, num_objectives)
        self._gamma = check_number('gamma', gamma, 0, 1, above=True)
        self._identity['options'] |= dict(
            initial=self._initial.tolist(), gamma=gamma
        )
        self._schedule: list[Tensor] = []
        self._winner: Tensor | None = None

    @property
    def _centre(self) -> Tensor:
        """Weights of the last winner, at first the initial ones, ``(n,)``."""
        return self._initial if self._winner is None else self._winner

    def _scheduled(self, winner: Tensor) -> Tensor:
        """Return the weights that stand for a round, ``(n,)``.

        Args:
            winner: Weights that the round's winner trained with, which are
                returned by default.
        """
        return winner

    def _keep(self, weights: Tensor, metric: Tensor) -> None:
        self._winner = weights
        self._schedule.append(self._scheduled(weights))

    def ensemble(self) -> PolicyEnsemble:
        """Return the schedule so far; see :class:`WeightController`.

        Raises:
            RuntimeError: If no round was won by a valid replica yet.
        """
        losses, provenance = self._provenance()
        assert self._winner is not None
        return PolicyEnsemble(
            policies=tuple(
                ConstantPolicy.of(weights).requires_grad_(False)
                for weights in self._schedule
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
