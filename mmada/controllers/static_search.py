"""Searches of weights that stay as they are during a whole training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mmada.controllers.base import Plan, Rest, RoundResult, Start
from mmada.controllers.best_action import BestAction
from mmada.controllers.rewards import metrics_differ
from mmada.controllers.weight_search import InitialWeights, WeightSearch
from mmada.policies.ensemble import WEIGHT_FLOOR, PolicyEnsemble
from mmada.policies.policy import ConstantPolicy, Policy
from mmada.utils.checks import check_int


class StaticSearch(WeightSearch):
    """Base of the searches that try one vector of weights a training.

    All trainings begin with one initial state, m of them at a time. What is
    found is the vector that scored best at the end of a training, as one
    policy. A training may take several rounds, so that a search that is
    killed goes on from the last of them: :meth:`draw` is called where
    trainings begin. None begin that do not fit into the rounds left, but for
    the first: a search with fewer rounds than they have ends early.

    Args:
        num_objectives: Number n of losses that are weighted.
        num_rounds: Number T of rounds.
        num_replicas: Number m of trainings at a time.
        seed: Seed of what is drawn.
        options: The subclass's own options, JSON-able.
        initial: Weights to start from; see :class:`WeightSearch`. Defaults to
            None.
        groups: Objectives that share a factor; see :class:`WeightSearch`.
            Defaults to None.
        rounds_per_training: Rounds R of a training. Defaults to 1: give the
            loop as many iterations a round as a training has.

    Raises:
        ValueError: If a value is out of range.
    """

    start = Start.INITIAL

    def __init__(
        self,
        num_objectives: int,
        num_rounds: int,
        num_replicas: int,
        seed: int,
        options: dict[str, Any],
        initial: InitialWeights = None,
        groups: Sequence[Sequence[int]] | None = None,
        rounds_per_training: int = 1,
    ) -> None:
        super().__init__(
            num_objectives,
            num_rounds,
            num_replicas,
            seed,
            options,
            initial,
            groups,
        )
        self._whole = check_int('rounds_per_training', rounds_per_training, 1)
        if self._whole > 1:
            self.start = Start.OWN
            self._identity['options']['rounds_per_training'] = self._whole
        self._best = BestAction()
        self._candidates = torch.empty(0)
        self._alive = torch.empty(0)

    @classmethod
    def training_rounds(
        cls, num_rounds: int, options: Mapping[str, Any]
    ) -> int:
        """Return R."""
        rounds = options.get('rounds_per_training', 1)
        return check_int('rounds_per_training', rounds, 1)

    @property
    def trainings_done(self) -> int:
        """Trainings that each replica has behind it."""
        return self.rounds_done // self._whole

    @property
    def finished(self) -> bool:
        """Whether no further training fits into the rounds that are left.

        It is over as well if all trainings fail amid theirs after others have
        ended: the same segment would fail again.
        """
        if not self._begins:
            return self.trainings_done > 0 and not self._alive.any()
        left = self.num_rounds - self.rounds_done
        return self.rounds_done > 0 and left < self._whole

    @property
    def _begins(self) -> bool:
        """Whether trainings begin with the next round."""
        return self.rounds_done % self._whole == 0

    def plan(self) -> Plan:
        """All begin together and go on from their own states."""
        if self._begins:
            return (Start.INITIAL,) * self.num_replicas
        return tuple(
            Start.OWN if alive else Rest.EMPTY for alive in self._alive
        )

    def _drawn(self) -> Tensor:
        if self._begins:
            self._candidates = self.draw()
        return self._candidates

    def observe(self, metrics: Tensor, reference: float | None) -> RoundResult:
        """Note which replicas go on; see :class:`WeightSearch`."""
        result = super().observe(metrics, reference)
        # Where all of the first trainings fail, they are tried again.
        if result.best >= 0 or self.trainings_done:
            self._alive = metrics.isfinite()
        return result

    @property
    def best_metric(self) -> float:
        """The largest metric so far, as :meth:`ensemble` counts.

        Raises:
            RuntimeError: Before a round with a valid replica.
        """
        return self._best.metric

    def keep(self, weights: Tensor, metric: Tensor) -> None:
        done = self.rounds_done + 1
        if done <= self._whole:  # until trainings end, the last round leads
            self._best = BestAction()
        if done <= self._whole or done % self._whole == 0:
            self._best.note(weights, metric)

    def learned(self, updated: Sequence[bool], metrics: Tensor) -> bool:
        """Return whether any two trainings scored differently at their end.

        In the last round if none has ended.
        """
        ends = metrics[self._whole - 1 :: self._whole]
        return metrics_differ(ends if len(ends) else metrics[-1])

    def ensemble(self) -> PolicyEnsemble:
        """Return the best weights so far; see :class:`WeightController`.

        Those of the last round until the first trainings have ended.

        Raises:
            RuntimeError: If no round was won by a valid replica yet.
        """
        best = self._best.action
        policy = self._policy_of(best)
        return self._ensemble_of(policy, best.clamp(min=WEIGHT_FLOOR))

    def _policy_of(self, weights: Tensor) -> Policy:
        """Return the policy that gives weights, ``(n,)``."""
        return ConstantPolicy.of(weights)

    def _memory(self) -> dict[str, Any]:
        memory: dict[str, Any] = dict(best=self._best.state_dict())
        if self._whole > 1:
            memory |= dict(candidates=self._candidates, alive=self._alive)
        return memory

    def _remember(self, memory: dict[str, Any]) -> None:
        self._best.load_state_dict(memory['best'])
        if self._whole > 1:
            self._candidates = memory['candidates']
            self._alive = memory['alive']
