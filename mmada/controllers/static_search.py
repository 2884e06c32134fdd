"""Searches for weights that stay as they are during a whole training."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from mmada.controllers.best_action import BestAction
from mmada.controllers.plan import Start
from mmada.controllers.weight_search import WeightSearch
from mmada.policies.ensemble import PolicyEnsemble
from mmada.policies.policy import ConstantPolicy


class StaticSearch(WeightSearch):
    """Base of the searches that try one vector of weights a training.

    Every replica of every round starts from one initial state, so a round
    is m trainings: give the loop as many iterations a round as a training
    has. What is found is the vector that scored best in all rounds, as one
    constant policy.
    """

    start: ClassVar[Start] = Start.INITIAL

    def __init__(
        self,
        num_objectives: int,
        num_rounds: int,
        num_replicas: int,
        seed: int,
        options: dict[str, Any],
    ) -> None:
        super().__init__(
            num_objectives, num_rounds, num_replicas, seed, options
        )
        self._best = BestAction()

    @property
    def best_metric(self) -> float:
        """The largest metric so far.

        Raises:
            RuntimeError: Before a round with a valid replica.
        """
        return self._best.metric

    def _keep(self, weights: Tensor, metric: Tensor) -> None:
        self._best.note(weights, metric)

    def ensemble(self) -> PolicyEnsemble:
        """Return the best weights so far; see :class:`WeightController`.

        Raises:
            RuntimeError: If no round was won by a valid replica yet.
        """
        losses, provenance = self._provenance()
        weights = self._best.action
        return PolicyEnsemble(
            policies=(ConstantPolicy.of(weights).requires_grad_(False),),
            provenance=provenance,
            initial_losses=losses,
            best_weights=weights,
        )

    def _memory(self) -> dict[str, Any]:
        return dict(best=self._best.state_dict())

    def _remember(self, memory: dict[str, Any]) -> None:
        self._best.load_state_dict(memory['best'])
