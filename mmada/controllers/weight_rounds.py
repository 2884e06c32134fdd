"""One round after the other: the order of the calls, and what all keep."""

from __future__ import annotations

from abc import abstractmethod
from copy import deepcopy
from typing import Any

from torch import Generator, Tensor

from mmada.controllers.base import WeightController
from mmada.policies.policy import floored
from mmada.utils.checks import (
    check_identity,
    check_int,
    check_losses,
    check_number,
    check_vector,
)


class WeightRounds(WeightController):
    """Base of the controllers of weights: it opens and checks rounds.

    A round is open while `_pending` holds what was proposed. How many were
    counted is up to the subclass, which adds to `_round`.

    Args:
        num_objectives: Number n of losses that are weighted.
        num_rounds: Number T of rounds.
        num_replicas: Number m of replicas.
        seed: Seed of what is drawn.
        identity: What else says which search this is, JSON-able: a state of
            another one is refused.

    Raises:
        ValueError: If a value is out of range.
    """

    def __init__(
        self,
        num_objectives: int,
        num_rounds: int,
        num_replicas: int,
        seed: int,
        identity: dict[str, Any],
    ) -> None:
        super().__init__(num_objectives, num_replicas, num_rounds)
        self._generator = Generator().manual_seed(check_int('seed', seed, 0))
        self._identity: dict[str, Any] = dict(
            controller=type(self).__name__,
            seed=seed,
            num_objectives=num_objectives,
            num_replicas=num_replicas,
            num_rounds=num_rounds,
            **identity,
        )
        self._round = 0
        self._pending: dict[str, Tensor] = {}
        self._initial_losses: Tensor | None = None

    @abstractmethod
    def _memory(self) -> dict[str, Any]:
        """Return the subclass's own part of the state."""

    @abstractmethod
    def _remember(self, memory: dict[str, Any]) -> None:
        """Take over what :meth:`_memory` returned."""

    def _check_closed(self, losses: Tensor) -> Tensor:
        """Return the losses of a round that may be opened, floored.

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
        return losses

    def _check_open(
        self, metrics: Tensor, reference: float | None
    ) -> tuple[Tensor, float | None]:
        """Return the metrics of a round that may be closed.

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
            reference = check_number('reference', reference)
        return metrics, reference

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
