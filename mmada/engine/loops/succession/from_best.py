"""Rounds that make one training: each goes on from the best replica."""

from __future__ import annotations

from collections.abc import Mapping

from mmada.controllers import Start
from mmada.engine.distributed import Channel
from mmada.engine.exploration.start_states import Origin, Succession
from mmada.engine.exploration.state import ExplorationState
from mmada.engine.replicas.live_replica import LiveReplica, Snapshot
from mmada.engine.state import failpoint


class FromBest(Succession):
    """A round goes on from the best replica: one training, in rounds."""

    starts = frozenset({Start.BEST})
    explores = True

    def origin(self, state: ExplorationState, replica: int) -> Origin:
        """Returns the best state, on the schedule of all rounds."""
        return Origin(state.start, state.round, state.round)

    def capture(
        self,
        state: ExplorationState,
        replica: int,
        value: float,
        live: LiveReplica,
    ) -> Snapshot | None:
        """Copies the live replica if it beats the best so far."""
        leader = state.leader
        if leader is not None:
            best = state.results[leader]['value']
            if (value, -replica) < (best, -leader):
                return None
        state.best = None  # never three snapshots at a time
        return live.capture()

    def keep(
        self,
        state: ExplorationState,
        captured: Snapshot | None,
        sources: Mapping[int, int],
        channel: Channel,
    ) -> None:
        """Keeps the best of the round so far, if it is of this wave."""
        leader = state.leader
        if leader is not None and leader in sources:
            state.best = channel.broadcast(captured, sources[leader])
            failpoint('explore.after_broadcast')

    def advance(self, state: ExplorationState, value: float | None) -> None:
        """Passes the best replica on."""
        assert state.best is not None
        state.start, state.reference = state.best, value

    def rounds_done(self, state: ExplorationState) -> int:
        """Returns the completed rounds."""
        return state.round
