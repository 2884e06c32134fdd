"""The interface between a population search and what it searches for."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from torch import Tensor

from mmada.controllers.plan import Plan, Start
from mmada.policies.ensemble import PolicyEnsemble
from mmada.utils.checks import check_int


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
