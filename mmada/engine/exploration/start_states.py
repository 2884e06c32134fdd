"""What a round takes over from the rounds before: the interface."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from mmada.controllers import Plan, Rest, Start
from mmada.engine.distributed import Channel
from mmada.engine.exploration.state import ExplorationState
from mmada.engine.replicas.live_replica import LiveReplica, Snapshot


class Origin(NamedTuple):
    """Where a replica's segment begins.

    Attributes:
        snapshot: What the replica starts from.
        segment: Number of the segment's data, from 0.
        rounds: Rounds of the schedule that lie behind it.
    """

    snapshot: Snapshot
    segment: int
    rounds: int


class Succession(ABC):
    """Where the replicas of a round start, and which states are kept.

    Attributes:
        starts: What a plan may name.
        explores: Whether the rounds make one trained model.
    """

    starts: ClassVar[frozenset[Start]]
    explores: ClassVar[bool] = False

    def open(self, state: ExplorationState, plan: Plan) -> None:
        """Takes in the plan of a round that was just proposed.

        Raises:
            ValueError: If it cannot be followed.
        """
        assert state.actions is not None
        self._check(plan, len(state.actions))
        state.plan = [entry.name.lower() for entry in plan]
        for replica, entry in enumerate(plan):
            if isinstance(entry, Rest):
                state.results[replica] = dict(
                    metrics={}, losses=[], value=None
                )

    def _check(self, plan: Plan, num_replicas: int) -> None:
        legal = all(isinstance(e, Rest) or e in self.starts for e in plan)
        trained = sum(isinstance(e, Start) for e in plan)
        if len(plan) != num_replicas or not legal or not trained:
            names = ', '.join(sorted(s.name for s in self.starts))
            raise ValueError(
                f'The plan of a round is {[str(e) for e in plan]}; expected '
                f'one entry for each of {num_replicas} replicas, of {names} '
                'or a Rest, and at least one that trains.'
            )

    @abstractmethod
    def origin(self, state: ExplorationState, replica: int) -> Origin:
        """Returns where a replica's segment of the present round begins."""

    @abstractmethod
    def capture(
        self,
        state: ExplorationState,
        replica: int,
        value: float,
        live: LiveReplica,
    ) -> Snapshot | None:
        """Copies the live replica, if its state may be needed.

        Args:
            state: Without what came of this wave.
            replica: Which one the live replica plays.
            value: Its metric.
            live: Just trained.
        """

    @abstractmethod
    def keep(
        self,
        state: ExplorationState,
        captured: Snapshot | None,
        sources: Mapping[int, int],
        channel: Channel,
    ) -> None:
        """Keeps of a wave what is needed, the same on all ranks.

        Args:
            state: With what came of the wave.
            captured: What `capture` returned on this rank.
            sources: By replica of the wave, the rank that has its state.
            channel: Between the ranks.
        """

    @abstractmethod
    def advance(self, state: ExplorationState, value: float | None) -> None:
        """Sets the start of the next round.

        Args:
            state: At the end of a round.
            value: Metric of its best replica.
        """

    def rounds_done(self, state: ExplorationState) -> int:
        """Returns the rounds behind the one model that is explored."""
        return 0

    def passed_on(self, state: ExplorationState) -> dict[str, Any]:
        """Returns the states that the next round may start from."""
        return state.start

    def notes(self, state: ExplorationState) -> dict[str, Any]:
        """Returns what the record of a round says beside the usual."""
        return {}
