"""Rounds of short trainings that have nothing of each other."""

from __future__ import annotations

from collections.abc import Mapping

from mmada.controllers import Start
from mmada.engine.distributed import Channel
from mmada.engine.exploration.start_states import Origin, Succession
from mmada.engine.exploration.state import ExplorationState
from mmada.engine.replicas.live_replica import LiveReplica, Snapshot


class FromInitial(Succession):
    """Every round is m short trainings of their own, from one state."""

    starts = frozenset({Start.INITIAL})

    def origin(self, state: ExplorationState, replica: int) -> Origin:
        """Returns the initial state, at the schedule's begin."""
        return Origin(state.start, state.round, 0)

    def capture(
        self,
        state: ExplorationState,
        replica: int,
        value: float,
        live: LiveReplica,
    ) -> Snapshot | None:
        """Copies nothing: no state outlives its round."""
        return None

    def keep(
        self,
        state: ExplorationState,
        captured: Snapshot | None,
        sources: Mapping[int, int],
        channel: Channel,
    ) -> None:
        """Keeps nothing."""

    def advance(self, state: ExplorationState, value: float | None) -> None:
        """Leaves the start as it is."""
