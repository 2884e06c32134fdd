"""A control: a controller that learns from other replicas' metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from mmada.controllers.base import (
    FirstReference,
    RoundResult,
    Start,
    WeightController,
)
from mmada.controllers.rewards import select_best
from mmada.controllers.rounds import Rounds
from mmada.policies.ensemble import PolicyEnsemble


class ShuffledRewards(Rounds, WeightController):
    """Hands a controller the metrics of a round in a random order.

    What the inner controller learns is noise of the right size, while the
    replica that is passed on is the true best. A failed replica keeps its
    place: its failure is no question of rank.

    Args:
        controller: The inner one; its rounds start from the best replica.
        seed: Seed of the permutations, different from the inner one's.
            Defaults to 1.

    Raises:
        ValueError: If the controller does not fit or the seed is negative.
    """

    # The inner controller counts the rounds.
    _state_keys = ('identity', 'generator', 'pending', 'winner', 'inner')

    def __init__(self, controller: WeightController, seed: int = 1) -> None:
        fits = isinstance(controller, WeightController)
        if not fits or controller.start is not self.start:
            raise ValueError(
                '`controller` should be one of weights whose rounds start '
                f'from {Start.BEST.value}. Found {type(controller).__name__}.'
            )
        super().__init__(
            controller.num_objectives,
            controller.num_rounds,
            controller.num_replicas,
            seed,
            dict(control=type(self).__name__, shuffle_seed=seed),
        )
        self._inner = controller
        self._winner: Tensor | None = None

    def begin(self, names: Sequence[str]) -> None:
        """Tell the inner controller, too."""
        super().begin(names)
        self._inner.begin(names)

    @property
    def needs_losses(self) -> bool:
        """What the inner controller says."""
        return self._inner.needs_losses

    @property
    def first_reference(self) -> FirstReference:
        """What the inner controller says."""
        return self._inner.first_reference

    def propose(self, losses: Tensor) -> Tensor:
        """Return what the inner controller proposes; raise as it does."""
        weights = self._inner.propose(losses)
        self._pending = weights.clone()
        return weights

    def observe(self, metrics: Tensor, reference: float | None) -> RoundResult:
        """Let the inner controller learn from shuffled metrics.

        Returns:
            What it made of them, but for the true best replica.

        Raises:
            RuntimeError: If no round is open.
            ValueError: If ``metrics`` or ``reference`` is malformed.
        """
        metrics, reference = self._check_open(metrics, reference)
        result = self._inner.observe(self._shuffled(metrics), reference)
        best = select_best(metrics)
        if best >= 0:
            self._winner = self._pending[best].clone()
        self._pending = None
        return result._replace(best=best)

    @property
    def finished(self) -> bool:
        """What the inner controller says."""
        return self._inner.finished

    def learned(self, updated: Sequence[bool], metrics: Tensor) -> bool:
        """Ask the inner controller."""
        return self._inner.learned(updated, metrics)

    def _shuffled(self, metrics: Tensor) -> Tensor:
        valid = torch.nonzero(metrics.isfinite()).flatten()
        order = torch.randperm(len(valid), generator=self.generator)
        shuffled = metrics.clone()
        shuffled[valid] = metrics[valid[order]]
        return shuffled

    def ensemble(self) -> PolicyEnsemble:
        """Return what the inner controller learned, and the true winner.

        Raises:
            RuntimeError: If no round was won by a valid replica yet.
        """
        found = self._inner.ensemble()
        assert self._winner is not None
        return replace(
            found,
            best_weights=self._winner.clone(),
            provenance=found.provenance | self._identity,
        )

    def _state(self) -> dict[str, Any]:
        return super()._state() | dict(
            winner=self._winner, inner=self._inner.state_dict()
        )

    def _resume(self, state: dict[str, Any]) -> None:
        self._inner.load_state_dict(state['inner'])
        super()._resume(state)
        self._winner = state['winner']
