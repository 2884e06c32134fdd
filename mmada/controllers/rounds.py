"""The order of a controller's rounds, and the state that all have in common.

:class:`Rounds` is for any action, :class:`WeightRounds` for weights.
"""

from __future__ import annotations

from abc import abstractmethod
from copy import deepcopy
from typing import Any, ClassVar

from torch import Generator, Tensor

from mmada.controllers.base import Controller, WeightController
from mmada.policies.policy import floored
from mmada.utils.checks import (
    check_identity,
    check_int,
    check_number,
    check_vector,
)
from mmada.utils.measurements import check_not_negative

NOTHING_FOUND = (
    'There is nothing to hand out before a round with a valid replica.'
)
"""Message of the error if a search is asked for its result too early."""


class Rounds(Controller):
    """The order of the rounds, and the state that every controller has.

    To be named before the interface that a controller has, as in
    ``class Mine(Rounds, ActionController)``. A round is open while
    `_pending`, what was proposed, is neither None nor empty. How many rounds
    were counted is up to the subclass, which adds to `rounds_done`. What else
    it stores it adds to :meth:`_state`, and takes over in :meth:`_resume`.

    Args:
        action_size: Numbers in an action.
        num_rounds: Number T of rounds.
        num_replicas: Number m of replicas.
        seed: Seed of what is drawn.
        identity: What says which search this is, JSON-able: the state of
            another one is not loaded.

    Attributes:
        generator: Source of all random numbers; part of the state.
        rounds_done: Rounds that were counted.

    Raises:
        ValueError: If a value is out of range.
    """

    _state_keys: ClassVar[tuple[str, ...]]
    """What is stored, in this order, which counts in the digest of a round."""

    def __init__(
        self,
        action_size: int,
        num_rounds: int,
        num_replicas: int,
        seed: int,
        identity: dict[str, Any],
    ) -> None:
        super().__init__(action_size, num_rounds, num_replicas)
        self.generator = Generator().manual_seed(check_int('seed', seed, 0))
        self._identity = identity
        self.rounds_done = 0
        self._pending: Any = None

    @property
    def _open(self) -> bool:
        """Whether a round was proposed and its metrics are not known yet."""
        return self._pending is not None and len(self._pending) > 0

    def _check_closed(self) -> None:
        """Check that a round may be opened.

        Raises:
            RuntimeError: If a round is still open, or all are done.
        """
        if self._open:
            raise RuntimeError(
                'propose() was called twice: observe() the '
                'metrics of the open round first.'
            )
        if self.rounds_done >= self.num_rounds:
            raise RuntimeError(f'All {self.num_rounds} rounds are done.')

    def _check_open(
        self, metrics: Tensor, reference: float | None
    ) -> tuple[Tensor, float | None]:
        """Return the metrics of a round that may be closed.

        Raises:
            RuntimeError: If no round is open.
            ValueError: If ``metrics`` or ``reference`` is malformed.
        """
        if not self._open:
            raise RuntimeError(
                'observe() needs an open round: propose() one first.'
            )
        metrics = check_vector('metrics', metrics, self.num_replicas)
        if reference is not None:
            reference = check_number('reference', reference)
        return metrics, reference

    def _state(self) -> dict[str, Any]:
        """Return what may be stored, not copied."""
        return dict(
            identity=self._identity,
            generator=self.generator.get_state(),
            round=self.rounds_done,
            pending=self._pending,
        )

    def _resume(self, state: dict[str, Any]) -> None:
        """Take over a state that is this controller's own copy."""
        self.generator.set_state(state['generator'])
        self.rounds_done = state.get('round', 0)
        self._pending = state['pending']

    def _adopt(self, identity: dict[str, Any]) -> None:
        """Take over defaults of an earlier version.

        A search goes on as it began, also where options have been added or
        defaults have changed since. Called before identities are compared.

        Args:
            identity: Of the search that a state is from.
        """

    def state_dict(self) -> dict[str, Any]:
        """Return all that a resume needs; see :class:`Controller`."""
        state = self._state()
        return deepcopy({key: state[key] for key in self._state_keys})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state of an equally built controller.

        Raises:
            ValueError: If the state is of another search, naming how.
        """
        self._adopt(state['identity'])
        check_identity(state['identity'], self._identity)
        self._resume(deepcopy(state))


class WeightRounds(Rounds, WeightController):
    """Base of the controllers of weights, which notes l^1.

    Args:
        num_objectives: Number n of losses that are weighted.
        num_rounds: Number T of rounds.
        num_replicas: Number m of replicas.
        seed: Seed of what is drawn.
        options: The subclass's own options, JSON-able.
        **identity: What else says which search this is, JSON-able.

    Raises:
        ValueError: If a value is out of range.
    """

    _state_keys = (
        'identity',
        'generator',
        'round',
        'pending',
        'initial_losses',
        'memory',
    )
    _pending: dict[str, Tensor]

    def __init__(
        self,
        num_objectives: int,
        num_rounds: int,
        num_replicas: int,
        seed: int,
        options: dict[str, Any],
        **identity: Any,
    ) -> None:
        identity = dict(
            controller=type(self).__name__,
            seed=seed,
            num_objectives=num_objectives,
            num_replicas=num_replicas,
            num_rounds=num_rounds,
            **identity,
            options=options,
        )
        super().__init__(
            num_objectives, num_rounds, num_replicas, seed, identity
        )
        self._pending = {}
        self._initial_losses: Tensor | None = None

    @abstractmethod
    def _memory(self) -> dict[str, Any]:
        """Return the subclass's own part of the state."""

    @abstractmethod
    def _remember(self, memory: dict[str, Any]) -> None:
        """Take over what :meth:`_memory` returned."""

    def _checked_losses(self, losses: Tensor) -> Tensor:
        """Return the losses of a round that may be opened, floored.

        Raises:
            RuntimeError: If a round is still open, or all are done.
            ValueError: If one is negative and the actions depend on it.
        """
        self._check_closed()
        losses = check_vector('losses', losses, self.num_objectives)
        if self.needs_losses:
            check_not_negative(losses, self.names, type(self).__name__)
        losses = floored(losses)
        if self._initial_losses is None:
            self._initial_losses = losses
        return losses

    def _provenance(self) -> tuple[Tensor, dict[str, Any]]:
        """Return l^1 and how the search was built, for the ensemble.

        Raises:
            RuntimeError: If no round was won by a valid replica yet.
        """
        if not self.rounds_done or self._initial_losses is None:
            raise RuntimeError(NOTHING_FOUND)
        return self._initial_losses.clone(), deepcopy(self._identity)

    def _state(self) -> dict[str, Any]:
        return super()._state() | dict(
            initial_losses=self._initial_losses, memory=self._memory()
        )

    def _resume(self, state: dict[str, Any]) -> None:
        super()._resume(state)
        self._initial_losses = state['initial_losses']
        self._remember(state['memory'])
