"""Replicas that train on from their own states, each at its own pace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from mmada.controllers import Plan, Rest, Start
from mmada.engine.distributed import Channel
from mmada.engine.exploration.start_states import Origin, Succession
from mmada.engine.exploration.state import ExplorationState
from mmada.engine.replicas.live_replica import LiveReplica, Snapshot
from mmada.engine.state import failpoint


class FromOwn(Succession):
    """A round is a time slice of up to m trainings of any age.

    A training of age a has a rounds behind it. Its next segment is number a
    of the data and of the schedule, whenever that is: trainings that begin
    at different times see the same.

    The states of all trainings that go on are kept, up to m of them, on
    every rank and in every commit. They are in main memory: what is on the
    accelerator does not grow with m.
    """

    starts = frozenset({Start.INITIAL, Start.OWN})

    def open(self, state: ExplorationState, plan: Plan) -> None:
        """Forgets the states that nobody needs any more."""
        super().open(state, plan)
        needs = [k for k, e in enumerate(plan) if e in NEEDS_ITS_OWN]
        if lacking := [k + 1 for k in needs if k not in state.own]:
            raise ValueError(
                f'The plan of a round needs the own states of replicas '
                f'{lacking}; expected replicas that have trained, and have '
                'neither diverged nor been dropped since. Where they '
                'diverged, lower the learning rate, or let the actions of '
                'the replicas differ less.'
            )
        state.own = {k: state.own[k] for k in needs}

    def origin(self, state: ExplorationState, replica: int) -> Origin:
        """Returns the replica's own state, or the initial one."""
        if replica not in state.own:
            return Origin(state.start, 0, 0)
        own = state.own[replica]
        return Origin(own['snapshot'], own['rounds'], own['rounds'])

    def capture(
        self,
        state: ExplorationState,
        replica: int,
        value: float,
        live: LiveReplica,
    ) -> Snapshot | None:
        """Copies the live replica into main memory."""
        return _in_main_memory(live.capture())

    def keep(
        self,
        state: ExplorationState,
        captured: Snapshot | None,
        sources: Mapping[int, int],
        channel: Channel,
    ) -> None:
        """Keeps the states of all replicas that are sound."""
        for replica, source in sources.items():
            if replica not in state.results:
                continue  # its segment is done again
            rounds = self.origin(state, replica).rounds + 1
            state.own.pop(replica, None)
            if state.results[replica]['value'] is not None:
                snapshot = channel.broadcast(captured, source)
                state.own[replica] = dict(snapshot=snapshot, rounds=rounds)
                failpoint('explore.after_broadcast')

    def advance(self, state: ExplorationState, value: float | None) -> None:
        """Leaves the start as it is."""

    def passed_on(self, state: ExplorationState) -> dict[str, Any]:
        """Returns the initial and all own states."""
        # Sorted: a segment that is done again changes the order.
        return dict(start=state.start, own=dict(sorted(state.own.items())))

    def notes(self, state: ExplorationState) -> dict[str, Any]:
        """Returns the plan, and how many rounds each has behind it now."""
        ages = [
            state.own[k]['rounds'] if k in state.own else 0
            for k in range(len(state.plan))
        ]
        return dict(plan=state.plan, ages=ages)


NEEDS_ITS_OWN = (Start.OWN, Rest.PAUSED)


def _in_main_memory(value: Any) -> Any:
    """Moves the tensors of a nested value to the CPU."""
    if isinstance(value, Tensor):
        return value.cpu()
    if isinstance(value, dict):
        return {k: _in_main_memory(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_in_main_memory(v) for v in value)
    return value
