"""The interface between a population search and what it searches for.

A loop calls :class:`Controller`; a :data:`Plan` says where each replica starts
a round, or why it rests.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, Literal, NamedTuple

from torch import Tensor

from mmada.policies.ensemble import PolicyEnsemble
from mmada.utils.checks import check_int


class Start(Enum):
    """Which state a replica starts a round from."""

    BEST = 'the best replica of the round before'
    INITIAL = 'the state that the first round started from'
    OWN = 'its own state after the last round that it trained in'


class Rest(Enum):
    """A replica that trains nothing in a round, and costs nothing."""

    PAUSED = 'its own state is kept for a later round'
    EMPTY = 'it has no state, or one that is not needed any more'


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

    A round is one :meth:`propose` followed by one :meth:`observe`. The
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

    start: Start = Start.BEST
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
