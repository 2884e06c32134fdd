"""The rounds of a search that works on weights, without a policy network."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from mmada.controllers.base import RoundResult
from mmada.controllers.rewards import select_best, standardised_reward
from mmada.controllers.verdict import Verdict, judge
from mmada.controllers.weight_rounds import WeightRounds
from mmada.policies.ensemble import WEIGHT_FLOOR


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
        super().__init__(
            num_objectives,
            num_rounds,
            num_replicas,
            seed,
            dict(options=options),
        )

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

    def propose(self, losses: Tensor) -> Tensor:
        """Draw the weights of one round; ``losses`` play no part.

        Raises:
            RuntimeError: If a round is still open, or all are done.
            ValueError: If the losses are negative or not finite.
        """
        self._check_closed(losses)
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
        metrics, _ = self._check_open(metrics, reference)
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
