"""The rounds of a search that works on weights, without a policy network."""

from __future__ import annotations

from abc import abstractmethod
from copy import deepcopy
from typing import Any

import torch
from torch import Generator, Tensor

from mmada.controllers.base import RoundResult, WeightController
from mmada.controllers.checks import (
    check_identity,
    check_int,
    check_losses,
    check_number,
    check_vector,
)
from mmada.controllers.ensemble import WEIGHT_FLOOR
from mmada.controllers.policies import floored
from mmada.controllers.rewards import select_best, standardised_reward
from mmada.controllers.verdict import Verdict, judge


class WeightSearch(WeightController):
    """Base of the searches whose state is a few vectors of weights.

    It keeps the order of the calls, rewards the replicas of a round with
    their standardised metrics (-1 for one that failed) and counts the
    rounds with a winner. What is drawn, learned and kept is up to the
    subclass; weights that are drawn below ``WEIGHT_FLOOR`` train at it.

    Args:
        num_objectives: Number n of losses that are weighted.
        num_rounds: Number T of rounds.
        num_replicas: Number m of replicas.
        seed: Seed of what is drawn.
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
        options: dict[str, Any],
    ) -> None:
        super().__init__(num_objectives, num_replicas, num_rounds)
        self._generator = Generator().manual_seed(check_int('seed', seed, 0))
        self._identity: dict[str, Any] = dict(
            controller=type(self).__name__,
            seed=seed,
            num_objectives=num_objectives,
            num_replicas=num_replicas,
            num_rounds=num_rounds,
            options=options,
        )
        self._round = 0
        self._pending: dict[str, Tensor] = {}
        self._initial_losses: Tensor | None = None

    @abstractmethod
    def _draw(self) -> Tensor:
        """Return the weights of the open round, positive, ``(m, n)``."""

    def _learn(self, drawn: Tensor, verdict: Verdict) -> None:
        """Learn from a round whose metrics tell replicas apart.

        Args:
            drawn: What :meth:`_draw` gave, shape ``(m, n)``.
            verdict: With the rewards.
        """

    @abstractmethod
    def _keep(self, weights: Tensor, metric: Tensor) -> None:
        """Take note of a round's winner, after :meth:`_learn`.

        Args:
            weights: That it trained with, shape ``(n,)``.
            metric: That it reached, shape ``()``.
        """

    @abstractmethod
    def _memory(self) -> dict[str, Any]:
        """Return the subclass's own part of the state."""

    @abstractmethod
    def _remember(self, memory: dict[str, Any]) -> None:
        """Take over what :meth:`_memory` returned."""

    def propose(self, losses: Tensor) -> Tensor:
        """Draw the weights of one round; ``losses`` play no part.

        Raises:
            RuntimeError: If a round is still open, or all are done.
            ValueError: If the losses are negative or not finite.
        """
        if self._pending:
            raise RuntimeError(
                'propose() was called twice: observe() the '
                'metrics of the open round first.'
            )
        if self._round >= self.num_rounds:
            raise RuntimeError(f'All {self.num_rounds} rounds are done.')
        losses = floored(check_losses(losses, self.num_objectives))
        if self._initial_losses is None:
            self._initial_losses = losses
        drawn = self._draw()
        weights = drawn.clamp(min=WEIGHT_FLOOR)
        self._pending = dict(drawn=drawn, weights=weights)
        return weights.clone()

    def observe(self, metrics: Tensor, reference: float | None) -> RoundResult:
        """Reward the replicas; ``reference`` plays no part.

        Raises:
            RuntimeError: If no round is open.
            ValueError: If ``metrics`` or ``reference`` is malformed.
        """
        if not self._pending:
            raise RuntimeError(
                'observe() needs an open round: propose() weights first.'
            )
        metrics = check_vector('metrics', metrics, self.num_replicas)
        if reference is not None:
            check_number('reference', reference)
        legal = torch.ones_like(metrics, dtype=torch.bool)
        verdict = judge(metrics, legal, None, 1.0, standardised_reward, 0.0)
        pending, self._pending = self._pending, {}
        if verdict.teaches:
            self._learn(pending['drawn'], verdict)
        best = select_best(metrics)
        if best >= 0:
            self._keep(pending['weights'][best].clone(), metrics[best])
            self._round += 1
        info = dict(
            num_valid=float(verdict.valid.sum()), spread=verdict.spread
        )
        return RoundResult(
            best, verdict.rewards, verdict.teaches, info, verdict.reason
        )

    def _provenance(self) -> tuple[Tensor, dict[str, Any]]:
        """Return l^1 and how the search was built, for the ensemble.

        Raises:
            RuntimeError: If no round was won by a valid replica yet.
        """
        if not self._round or self._initial_losses is None:
            raise RuntimeError(
                'There is nothing to hand out before a round '
                'with a valid replica.'
            )
        return self._initial_losses.clone(), deepcopy(self._identity)

    def state_dict(self) -> dict[str, Any]:
        """Return all that a resume needs; see :class:`WeightController`."""
        return deepcopy(
            dict(
                identity=self._identity,
                generator=self._generator.get_state(),
                round=self._round,
                pending=self._pending,
                initial_losses=self._initial_losses,
                memory=self._memory(),
            )
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state of an equally built controller.

        Raises:
            ValueError: If the state is of another search, naming how.
        """
        check_identity(state['identity'], self._identity)
        state = deepcopy(state)
        self._generator.set_state(state['generator'])
        self._round = state['round']
        self._pending = state['pending']
        self._initial_losses = state['initial_losses']
        self._remember(state['memory'])
