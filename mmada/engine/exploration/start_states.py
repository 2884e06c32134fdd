"""The states that a round starts from, and those that it keeps.

Where a controller's replicas start decides what its rounds are, see
:class:`Start`: one training, where each round goes on from the best replica
(:class:`FromBest`); short trainings that share nothing but their start
(:class:`FromInitial`); or trainings of any age, each at its own pace
(:class:`FromOwn`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from mmada.controllers import Plan, Rest, Start
from mmada.engine.distributed import Channel
from mmada.engine.exploration.state import ExplorationState
from mmada.engine.replicas.live_replica import (
    KeptSnapshot,
    LiveReplica,
    Snapshot,
    check_equal,
)
from mmada.utils.files import failpoint

NEEDS_ITS_OWN = (Start.OWN, Rest.PAUSED)


class Origin(NamedTuple):
    """Where a replica's segment begins.

    Attributes:
        snapshot: What the replica starts from, in memory or on the disk.
        segment: Number of the segment's data, from 0.
        rounds: Rounds of the schedule that lie behind it.
    """

    snapshot: KeptSnapshot
    segment: int
    rounds: int


class TrainedReplicas(NamedTuple):
    """What a rank has trained in a wave.

    Attributes:
        live: The model, as the last of its replicas.
        aside: Copies of earlier ones, in main memory, by replica.
    """

    live: LiveReplica
    aside: dict[int, Snapshot]

    def copy(self, replica: int) -> Snapshot:
        """Return a copy of a replica, the live one if none was set aside."""
        found = self.aside.get(replica)
        return self.live.capture('cpu') if found is None else found


class StartStates(ABC):
    """Where the replicas of a round start, and which states are kept.

    Attributes:
        starts: What a plan may name.
        explores: Whether the rounds make one trained model.
    """

    starts: ClassVar[frozenset[Start]]
    explores: ClassVar[bool] = False

    def open(self, state: ExplorationState, plan: Plan) -> None:
        """Take in the plan of a round that was just proposed.

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
        valid = all(isinstance(e, Rest) or e in self.starts for e in plan)
        trained = sum(isinstance(e, Start) for e in plan)
        if len(plan) != num_replicas or not valid or not trained:
            names = ', '.join(sorted(s.name for s in self.starts))
            raise ValueError(
                'The plan of a round should have one entry for each of '
                f'{num_replicas} replicas, of {names} or a Rest, and at '
                f'least one that trains. Found {[str(e) for e in plan]}.'
            )

    @abstractmethod
    def origin(self, state: ExplorationState, replica: int) -> Origin:
        """Return where a replica's segment of the present round begins."""

    def set_aside(  # noqa: B027
        self,
        state: ExplorationState,
        values: Mapping[int, float],
        replica: int,
        trained: TrainedReplicas,
    ) -> None:
        """Copy the live replica before another one takes its place.

        Nothing by default: no state outlives its round.

        Args:
            state: Without what came of this wave.
            values: Metrics of this rank's replicas of the wave, so far.
            replica: Which of them the live replica plays.
            trained: Gets the copy, if it may be needed; what was set aside
                before in this wave and is needed no more is taken out.
        """

    def keep(  # noqa: B027
        self,
        state: ExplorationState,
        trained: TrainedReplicas,
        sources: Mapping[int, int],
        channel: Channel,
    ) -> None:
        """Keep of a wave what is needed, the same on all ranks.

        Nothing by default, as for `set_aside`.

        Args:
            state: With what came of the wave.
            trained: By this rank, if any.
            sources: By replica of the wave, the rank that has its state.
            channel: Between the ranks.
        """

    @abstractmethod
    def advance(self, state: ExplorationState, value: float | None) -> None:
        """Set the start of the next round.

        Args:
            state: At the end of a round.
            value: Metric of its best replica.
        """

    def rounds_done(self, state: ExplorationState) -> int:
        """Return the rounds behind the one model that is explored."""
        return 0

    def passed_on(self, state: ExplorationState) -> Any:
        """Return the states that the next round may start from."""
        return state.start

    def notes(self, state: ExplorationState) -> dict[str, Any]:
        """Return further entries for the record of a round."""
        return {}


class FromBest(StartStates):
    """A round goes on from the best replica: one training, in rounds."""

    starts = frozenset({Start.BEST})
    explores = True

    def origin(self, state: ExplorationState, replica: int) -> Origin:
        """Return the best state, on the schedule of all rounds."""
        return Origin(state.start, state.round, state.round)

    def set_aside(
        self,
        state: ExplorationState,
        values: Mapping[int, float],
        replica: int,
        trained: TrainedReplicas,
    ) -> None:
        """Copy the live replica if it beats the best so far."""
        rivals = dict(values)
        if state.leader is not None:
            rivals[state.leader] = state.results[state.leader]['value']
        if max(rivals, key=lambda k: (rivals[k], -k)) == replica:
            trained.aside.clear()
            trained.aside[replica] = trained.live.capture('cpu')

    def keep(
        self,
        state: ExplorationState,
        trained: TrainedReplicas,
        sources: Mapping[int, int],
        channel: Channel,
    ) -> None:
        """Keep the best of the round so far, if it is of this wave."""
        leader = state.leader
        if leader is not None and leader in sources:
            if leader not in trained.aside:
                trained.aside.clear()
            state.best = _captured(trained, leader, sources[leader], channel)

    def advance(self, state: ExplorationState, value: float | None) -> None:
        """Pass the best replica on."""
        assert state.best is not None
        state.start, state.reference = state.best, value

    def rounds_done(self, state: ExplorationState) -> int:
        """Return the completed rounds."""
        return state.round


class FromInitial(StartStates):
    """A round is m short trainings of their own, all from one state."""

    starts = frozenset({Start.INITIAL})

    def origin(self, state: ExplorationState, replica: int) -> Origin:
        """Return the initial state, at the schedule's begin."""
        return Origin(state.start, state.round, 0)

    def advance(self, state: ExplorationState, value: float | None) -> None:
        """Leave the start as it is."""


class FromOwn(StartStates):
    """A round is a time slice of up to m trainings of any age.

    A training of age a has a rounds behind it. Its next segment is number a
    of the data and of the schedule, whenever that is: trainings that begin
    at different times see the same.

    The states of all trainings that go on are kept, up to m of them, in
    every commit.
    """

    starts = frozenset({Start.INITIAL, Start.OWN})

    def open(self, state: ExplorationState, plan: Plan) -> None:
        """Forget the states that the plan does not continue."""
        super().open(state, plan)
        needs = [k for k, e in enumerate(plan) if e in NEEDS_ITS_OWN]
        if lacking := [k + 1 for k in needs if k not in state.own]:
            raise ValueError(
                'The plan of a round should only continue replicas that have '
                'trained, and have neither diverged nor been dropped since. '
                f'Found replicas {lacking} without a state of their own. '
                'Where they diverged, lower the learning rate, or let the '
                'actions of the replicas differ less.'
            )
        state.own = {k: state.own[k] for k in needs}

    def origin(self, state: ExplorationState, replica: int) -> Origin:
        """Return the replica's own state, or the initial one."""
        if replica not in state.own:
            return Origin(state.start, 0, 0)
        own = state.own[replica]
        return Origin(own['snapshot'], own['rounds'], own['rounds'])

    def set_aside(
        self,
        state: ExplorationState,
        values: Mapping[int, float],
        replica: int,
        trained: TrainedReplicas,
    ) -> None:
        """Copy the live replica."""
        trained.aside[replica] = trained.live.capture('cpu')

    def keep(
        self,
        state: ExplorationState,
        trained: TrainedReplicas,
        sources: Mapping[int, int],
        channel: Channel,
    ) -> None:
        """Keep the states of all replicas that are sound.

        One that failed keeps the state from before the round: where all do,
        the round is tried again from there.
        """
        for replica, source in sources.items():
            result = state.results.get(replica)
            if result is None or result['value'] is None:
                continue
            rounds = self.origin(state, replica).rounds + 1
            snapshot = _captured(trained, replica, source, channel)
            state.own[replica] = dict(snapshot=snapshot, rounds=rounds)

    def advance(self, state: ExplorationState, value: float | None) -> None:
        """Forget those that failed, and leave the start as it is."""
        paused = Rest.PAUSED.name.lower()
        for replica, result in state.results.items():
            if result['value'] is None and state.plan[replica] != paused:
                state.own.pop(replica, None)

    def passed_on(self, state: ExplorationState) -> Any:
        """Return the initial and all own states."""
        # Sorted: a segment that is done again changes the order.
        return dict(start=state.start, own=dict(sorted(state.own.items())))

    def notes(self, state: ExplorationState) -> dict[str, Any]:
        """Return the plan, and how many rounds each has behind it now."""
        ages = [
            state.own[k]['rounds'] if k in state.own else 0
            for k in range(len(state.plan))
        ]
        return dict(plan=state.plan, ages=ages)


def _captured(
    trained: TrainedReplicas, replica: int, source: int, channel: Channel
) -> Snapshot:
    """Return a copy of one rank's replica, in main memory on all."""
    own = trained.copy(replica) if channel.rank == source else {}
    captured = channel.broadcast(own, source)
    if channel.size > 1:
        # One rank writes what all go on with.
        check_equal(channel, captured)
    failpoint('explore.after_broadcast')
    return captured


START_STATES: dict[Start, StartStates] = {
    Start.BEST: FromBest(),
    Start.INITIAL: FromInitial(),
    Start.OWN: FromOwn(),
}
