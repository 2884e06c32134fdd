"""The interface between a population search and what it searches for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from copy import deepcopy
from enum import Enum
from typing import Any, ClassVar, NamedTuple

from torch import Generator, Tensor

from mmada.policies.ensemble import PolicyEnsemble
from mmada.policies.policy import floored
from mmada.utils.checks import (
    check_identity,
    check_int,
    check_losses,
    check_number,
    check_vector,
)

# ~~ plan: What each replica does in a round: where it starts, or why it re


class Start(Enum):
    """Which state a replica starts a round from."""

    BEST = 'the best replica of the round before'
    INITIAL = 'the state that the first round started from'
    OWN = 'its own state after the last round that it trained in'


class Rest(Enum):
    """A replica that trains nothing in a round, and costs nothing."""

    PAUSED = 'its own state is kept for a later round'
    EMPTY = 'it has no state, or one that nobody needs any more'


Plan = tuple[Start | Rest, ...]
"""One entry a replica."""


class RoundResult(NamedTuple):
    """What a controller made of one round.

    Attributes:
        best: Index of the replica to broadcast; -1 when no replica is valid
            and the state that the round started from has to be kept. Such a
            round is not counted: propose anew for the same one.
        rewards: Reward of each replica, shape ``(m,)``.
        updated: False if the update of the policy was skipped.
        info: Scalars worth a log line, such as the KL of the update.
        reason: Why the update was skipped, fit for a warning, else ''.
    """

    best: int
    rewards: Tensor
    updated: bool
    info: dict[str, float]
    reason: str


class Controller(ABC):
    """Proposes an action to each of m replicas and learns from their metrics.

    A round is one :meth:`propose` followed by one :meth:`observe`. The class
    attribute `start` tells which states a search needs: `BEST` keeps that
    of one replica, `INITIAL` none, and `OWN`, with which a replica may also
    start anew from the initial state, those of all that go on or pause.

    Args:
        action_size: Numbers in an action, at least 1.
        num_replicas: Number m of replicas trained per round.
        num_rounds: Number T of rounds of the whole search.

    Raises:
        ValueError: If a number is out of range.
    """

    start: ClassVar[Start] = Start.BEST

    def __init__(
        self, action_size: int, num_replicas: int, num_rounds: int
    ) -> None:
        self.action_size = check_int('action_size', action_size, 1)
        self.num_replicas = check_int('num_replicas', num_replicas, 1)
        self.num_rounds = check_int('num_rounds', num_rounds, 1)

    @abstractmethod
    def propose(self, losses: Tensor) -> Tensor:
        """Draw the actions to train the next round with.

        Args:
            losses: Raw mean losses of the best replica in the round before,
                one an objective.

        Returns:
            One action per replica, shape ``(m, action_size)``.
        """

    def plan(self) -> Plan:
        """Return what each replica does in the round just proposed.

        At least one trains. The metric of one that rests is NaN.
        """
        return (self.start,) * self.num_replicas

    @property
    def finished(self) -> bool:
        """Whether the rounds left are not worth their cost.

        Asked between two rounds, of which the first was counted or not.
        """
        return False

    @classmethod
    def training_rounds(
        cls, num_rounds: int, options: Mapping[str, Any]
    ) -> int:
        """Return the rounds of one whole training, as schedules know it.

        Args:
            num_rounds: Number T of rounds of the search.
            options: What the constructor is given.
        """
        return num_rounds if cls.start is Start.BEST else 1

    @abstractmethod
    def observe(self, metrics: Tensor, reference: float | None) -> RoundResult:
        """Learn from the metrics reached with the proposed actions.

        Args:
            metrics: Metric of each replica, larger is better, shape
                ``(m,)``; NaN marks an invalid replica.
            reference: Metric of the state that all replicas started from;
                None if it is unknown.
        """

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Return all that a resumed controller needs to go on bit by bit.

        Only tensors, numbers, strings, lists and dicts, so that
        ``torch.load(weights_only=True)`` reads it back.
        """

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state made by :meth:`state_dict`."""


class ActionController(Controller):
    """A controller that ends with one action."""

    @property
    @abstractmethod
    def found_action(self) -> Tensor:
        """The action to go on with, shape ``(action_size,)``."""


class WeightController(Controller):
    """A controller whose actions are the weights of n objectives.

    Args:
        num_objectives: Number n of losses that are weighted, at least 2.
        num_replicas: Number m of replicas trained per round.
        num_rounds: Number T of rounds of the whole search.

    Raises:
        ValueError: If a number is out of range.
    """

    def __init__(
        self, num_objectives: int, num_replicas: int, num_rounds: int
    ) -> None:
        self.num_objectives = check_int('num_objectives', num_objectives, 2)
        super().__init__(num_objectives, num_replicas, num_rounds)

    @abstractmethod
    def ensemble(self) -> PolicyEnsemble:
        """Return what was learned so far, after at least one round."""


# ~~ weight_rounds: One round after the other: the order of the calls, and


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
