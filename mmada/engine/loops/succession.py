"""What a round takes over from the one before."""

from __future__ import annotations

from abc import ABC, abstractmethod

from mmada.controllers import Start

from .exploration_state import ExplorationState


class Succession(ABC):
    """Where the replicas of a round start, and on which schedule.

    Attributes:
        keeps_best: Whether the best replica's state is needed.
    """

    keeps_best: bool

    @abstractmethod
    def length(self, num_rounds: int, num_iters: int) -> int:
        """Returns the iterations of the schedule, of T rounds of q."""

    @abstractmethod
    def first_iter(self, round: int, num_iters: int) -> int:
        """Returns where in the schedule a round starts, counted from 0."""

    @abstractmethod
    def advance(self, state: ExplorationState, value: float | None) -> None:
        """Sets the start of the next round.

        Args:
            state: At the end of a round.
            value: Metric of its best replica.
        """


class FromBest(Succession):
    """A round goes on from the best replica: one training, in rounds."""

    keeps_best = True

    def length(self, num_rounds: int, num_iters: int) -> int:
        """Returns T * q."""
        return num_rounds * num_iters

    def first_iter(self, round: int, num_iters: int) -> int:
        """Returns t * q."""
        return round * num_iters

    def advance(self, state: ExplorationState, value: float | None) -> None:
        """Passes the best replica on."""
        assert state.best is not None
        state.start, state.reference = state.best, value


class FromInitial(Succession):
    """Every round is m short trainings of their own, from one state."""

    keeps_best = False

    def length(self, num_rounds: int, num_iters: int) -> int:
        """Returns q."""
        return num_iters

    def first_iter(self, round: int, num_iters: int) -> int:
        """Returns 0."""
        return 0

    def advance(self, state: ExplorationState, value: float | None) -> None:
        """Leaves the start as it is."""


SUCCESSIONS: dict[Start, Succession] = {
    Start.BEST: FromBest(),
    Start.INITIAL: FromInitial(),
}
