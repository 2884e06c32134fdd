"""The interface between a population search and what it searches for.

:class:`Controller` is what a loop talks to, :data:`Plan` what it is told of
each replica in a round: where it starts, or why it rests. :class:`Rounds`
keeps the order of the calls and the state that all controllers have in common.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import deepcopy
from enum import Enum
from typing import Any, ClassVar, Literal, NamedTuple

from torch import Generator, Tensor

from mmada.policies.ensemble import PolicyEnsemble
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


FirstReference = Literal['start', 'pseudo', 'zero', 'none']
"""What the metrics of the first round are compared with.

The metric of the model that the replicas start from, that of the pseudo
epoch's model, which is trained as long as they are and then discarded, 0, or
nothing.
"""


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
    attribute `start` says which states a search needs: `BEST` keeps that
    of one replica, `INITIAL` none, and `OWN`, with which a replica may also
    start anew from the initial state, those of all that go on or pause.

    Args:
        action_size: Numbers in an action, at least 1.
        num_rounds: Number T of rounds of the whole search.
        num_replicas: Number m of replicas trained per round.

    Attributes:
        names: What each number of an action stands for; none if unknown.

    Raises:
        ValueError: If a number is out of range.
    """

    start: ClassVar[Start] = Start.BEST
    names: tuple[str, ...] = ()

    def __init__(
        self, action_size: int, num_rounds: int, num_replicas: int
    ) -> None:
        self.action_size = check_int('action_size', action_size, 1)
        self.num_rounds = check_int('num_rounds', num_rounds, 1)
        self.num_replicas = check_int('num_replicas', num_replicas, 1)

    def begin(self, names: Sequence[str]) -> None:
        """Learn what each number of an action stands for, for messages."""
        self.names = tuple(names)

    @abstractmethod
    def propose(self, losses: Tensor) -> Tensor:
        """Draw the actions to train the next round with.

        Args:
            losses: Raw mean losses of the best replica in the round before,
                one an objective; NaN where none was measured so far.

        Returns:
            One action per replica, shape ``(m, action_size)``.
        """

    def plan(self) -> Plan:
        """Return what each replica does in the round just proposed.

        At least one trains. The metric of one that rests is NaN.
        """
        return (self.start,) * self.num_replicas

    @property
    def first_reference(self) -> FirstReference:
        """What :meth:`observe` gets as the reference of the first round.

        `'start'` costs one more evaluation.
        """
        return 'pseudo'

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

    @classmethod
    def more_options(cls, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Return names of options that the constructor takes by `**`.

        Args:
            options: What the constructor is given.
        """
        return ()

    @abstractmethod
    def observe(self, metrics: Tensor, reference: float | None) -> RoundResult:
        """Learn from the metrics reached with the proposed actions.

        Args:
            metrics: Metric of each replica, larger is better, shape
                ``(m,)``; NaN marks an invalid replica.
            reference: Metric of the winner of the round before, which the
                replicas started from where `start` is `BEST`; before there
                is one, what `first_reference` names. None if unknown.
        """

    def learned(self, updated: Sequence[bool], metrics: Tensor) -> bool:
        """Return whether the metrics had a say in what was found.

        Asked after the last round. By default they had in any round that
        updated the search.

        Args:
            updated: `RoundResult.updated` of each round.
            metrics: Metric of each replica of each round, shape
                ``(rounds, m)``; NaN where there is none.
        """
        return any(updated)

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
        num_rounds: Number T of rounds of the whole search.
        num_replicas: Number m of replicas trained per round.

    Raises:
        ValueError: If a number is out of range.
    """

    def __init__(
        self, num_objectives: int, num_rounds: int, num_replicas: int
    ) -> None:
        self.num_objectives = check_int('num_objectives', num_objectives, 2)
        super().__init__(num_objectives, num_rounds, num_replicas)

    @property
    def needs_losses(self) -> bool:
        """Whether actions depend on ratios or logarithms of the losses."""
        return False

    @abstractmethod
    def ensemble(self) -> PolicyEnsemble:
        """Return what was learned so far, after at least one round."""


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
