"""The rounds of an exploration: train, score, learn, pass the winner on."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from mmada.controllers import Controller
from mmada.engine.distributed import (
    Channel,
    Paces,
    ReplicaGroups,
    share_out,
)
from mmada.engine.exploration.history import resamples_of
from mmada.engine.exploration.replica_runner import Outcome, ReplicaRunner
from mmada.engine.exploration.reporter import ExplorationReporter
from mmada.engine.exploration.start_states import (
    START_STATES,
    TrainedReplicas,
)
from mmada.engine.exploration.state import ExplorationState
from mmada.engine.preemption import stop_on_sigterm
from mmada.engine.replicas.live_replica import (
    ReplicaError,
    Snapshot,
    check_equal,
    digest,
)
from mmada.engine.state import StateStore
from mmada.models.meters import MissingLosses
from mmada.utils.files import failpoint
from mmada.utils.measurements import latest_losses

MAX_FAILED_ROUNDS = 3
MAX_ATTEMPTS = 2


class Exploration:
    """Plays all replicas in waves and commits after each.

    Replica k of round t is a function of (state at the start of t, its
    action, t, seed) alone, so a killed wave is redone to the same bits,
    and the ranks may be more or fewer then. All ranks hold the same state;
    rank 0 alone asks the controller and writes.

    Args:
        runner: Trains and scores a replica on this rank.
        groups: Which ranks train which replicas.
        channel: Messages between all ranks.
        controller: Proposes weights and learns from the scores.
        reporter: Writes the log and the history.
        store: Where each step is committed.
    """

    def __init__(
        self,
        runner: ReplicaRunner,
        groups: ReplicaGroups,
        channel: Channel,
        controller: Controller,
        reporter: ExplorationReporter,
        store: StateStore,
    ) -> None:
        self.runner = runner
        self.groups = groups
        self.channel = channel
        self.controller = controller
        self.reporter = reporter
        self.store = store
        self.start_states = START_STATES[controller.start]
        self._attempts: Counter[int] = Counter()
        self._paces = Paces(len(groups))
        self._missing = MissingLosses(runner.target.names)

    def begin(self) -> ExplorationState:
        """Find l^1 in a pseudo epoch, whose model is then discarded.

        And what the first round is compared with. The live model is to be at
        its start.

        Raises:
            ReplicaError: If it failed.
            RuntimeError: If a loss or a parameter is not finite in it.
        """
        start = self.runner.live.capture()
        check_equal(self.channel, start)
        outcome = self._pseudo_epoch(start)
        state = ExplorationState(
            start=start,
            losses=self._losses(outcome.losses, None),
            reference=self._first_reference(start, outcome),
            controller=self.controller.state_dict(),
        )
        self._commit(state)
        return state

    def run_round(self, state: ExplorationState) -> dict[str, Any] | None:
        """Run what is left of the present round.

        Returns:
            The record of the round; None if no replica survived it, so that
            it has to be tried again.

        Raises:
            ReplicaError: If a replica failed twice.
            RuntimeError: If no replica survived, too often in succession.
        """
        if state.actions is None:
            self._propose(state)
        while pending := self._pending(state):
            self._run_wave(state, share_out(pending, self._paces.relative()))
            self._commit(state)
        record = self._close_round(state)
        self._commit(state)
        return record

    def is_over(self, state: ExplorationState) -> bool:
        """Return whether no round is left that is worth its cost."""
        return self.channel.from_main(
            lambda: (
                state.round >= self.controller.num_rounds
                or (state.actions is None and self.controller.finished)
            )
        )

    def _pseudo_epoch(self, start: Snapshot) -> Outcome:
        """Train and score the neutral action on the first group."""
        self.reporter.begin()
        neutral, report = self.runner.target.neutral, self.reporter
        outcome = self._on_first_group(
            lambda: self.runner.run(
                start, neutral, 0, 0, report.pseudo_iteration
            ),
            'the pseudo epoch',
        )
        if outcome.diverged:
            raise RuntimeError(
                'The pseudo epoch, with the neutral action, '
                f'{outcome.diverged}'
            )
        return outcome

    def _first_reference(
        self, start: Snapshot, pseudo: Outcome
    ) -> float | None:
        """Return what the controller compares the first round with."""
        kind = self.controller.first_reference
        if kind in ('zero', 'none'):
            return 0.0 if kind == 'zero' else None
        source, outcome = 'the pseudo epoch', pseudo
        if kind == 'start':
            source = 'the initial model'
            outcome = self._on_first_group(
                lambda: self.runner.score(start),
                'the evaluation of the initial model',
            )
        if outcome.value is None:
            self.reporter.no_reference(source, outcome.metrics)
        return outcome.value

    def _on_first_group(
        self, play: Callable[[], Outcome], name: str
    ) -> Outcome:
        """Return, on all ranks, what came of a task of the first group.

        Raises:
            ReplicaError: If it failed.
        """
        own = play() if self.groups.index == 0 else Outcome()
        outcomes = self.channel.gather(own, lambda rank: name)
        outcome = outcomes[self.groups.leaders[0]]
        if outcome.error:
            raise ReplicaError(
                f'{name[0].upper()}{name[1:]} failed.\n{outcome.error}'
            )
        return outcome

    def _propose(self, state: ExplorationState) -> None:
        """Ask the controller what the round's replicas do."""
        state.actions, plan = self.channel.from_main(
            lambda: (
                self.controller.propose(state.losses),
                self.controller.plan(),
            )
        )
        self.start_states.open(state, plan)
        state.controller = self.controller.state_dict()
        failpoint('explore.after_proposal')

    def _pending(self, state: ExplorationState) -> list[int]:
        replicas = range(self.controller.num_replicas)
        return [k for k in replicas if k not in state.results]

    def _run_wave(
        self, state: ExplorationState, shares: Sequence[Sequence[int]]
    ) -> None:
        """Train each group's replicas and keep what is needed of them."""
        began = time.monotonic()
        self.reporter.wave(state, sorted(k for share in shares for k in share))
        own: dict[int, Outcome] = {}
        trained = TrainedReplicas(self.runner.live, {})
        mine = self.groups.own_of(shares)
        for k in mine:
            own[k] = self._play(state, k)
            values = {
                j: o.value for j, o in own.items() if o.value is not None
            }
            if k in values and k != mine[-1]:
                self.start_states.set_aside(state, values, k, trained)
        failpoint('explore.before_agreement')
        outcomes = self.channel.gather(
            own, lambda rank: self._describe(rank, shares)
        )
        leaders = zip(self.groups.leaders, shares, strict=True)
        sources = dict(
            sorted((k, rank) for rank, share in leaders for k in share)
        )
        for k, source in sources.items():
            self._take(state, k, outcomes[source][k])
        self.start_states.keep(state, trained, sources, self.channel)
        self._note_paces([outcomes[rank] for rank in self.groups.leaders])
        state.seconds += time.monotonic() - began

    def _note_paces(self, outcomes: Sequence[dict[int, Outcome]]) -> None:
        """Note what the last replica of each group took that completed."""
        self._paces.note(
            {
                group: outcome.seconds
                for group, own in enumerate(outcomes)
                for outcome in own.values()
                if outcome.metrics
            }
        )

    def _play(self, state: ExplorationState, replica: int) -> Outcome:
        """Train and score this rank's replica of the wave."""
        assert state.actions is not None
        origin = self.start_states.origin(state, replica)
        return self.runner.run(
            origin.snapshot,
            state.actions[replica],
            origin.segment,
            origin.rounds * self.runner.loader.num_iters,
            self.reporter.start(state, replica),
        )

    def _take(
        self, state: ExplorationState, replica: int, outcome: Outcome
    ) -> None:
        """Note what became of a replica, or that it has to be redone."""
        if outcome.error:
            self._attempts[replica] += 1
            if self._attempts[replica] < MAX_ATTEMPTS:
                self.reporter.retried(state, replica, outcome.error)
                return
            if not outcome.out_of_memory:
                raise ReplicaError(
                    f'Replica {replica + 1} of round {state.round + 1} '
                    f'failed {MAX_ATTEMPTS} times. What is committed is in '
                    f'{self.store.root}.\n{outcome.error}'
                )
            self.reporter.out_of_memory(state, replica)
        state.results[replica] = dict(
            metrics=outcome.metrics,
            losses=list(outcome.losses),
            value=outcome.value,
            resamples=outcome.resamples,
        )

    def _close_round(self, state: ExplorationState) -> dict[str, Any] | None:
        """Let the controller learn and pass the winner on."""
        assert state.actions is not None
        results = [state.results[k] for k in sorted(state.results)]
        values = [r['value'] for r in results]
        metrics = torch.tensor(
            [math.nan if v is None else v for v in values],
            dtype=torch.float64,
        )
        result = self.channel.from_main(
            lambda: self.controller.observe(metrics, state.reference)
        )
        state.controller = self.controller.state_dict()
        failpoint('explore.after_observation')
        self._attempts.clear()
        self.reporter.unscored(state)
        if state.leader is None:
            self._fail(state)
            return None
        record = self.reporter.record(state, result)
        self.start_states.advance(state, values[result.best])
        record |= resamples_of(results) | self.start_states.notes(state)
        state.losses = self._losses(
            results[result.best]['losses'], state.losses
        )
        state.best_action = state.actions[result.best]
        state.digest = record['digest'] = self._chain(state, record)
        state.history.append(record)
        state.round += 1
        state.failures = 0
        state.clear_round()
        return record

    def _losses(self, found: Sequence[float], before: Tensor | None) -> Tensor:
        """Return mean raw losses, the last known ones where not measured."""
        losses = torch.tensor(found, dtype=torch.float64)
        if len(losses):  # a target without objectives has none
            self._missing.note(losses)
        return latest_losses(losses, before)

    def _chain(self, state: ExplorationState, record: dict[str, Any]) -> str:
        """Return the fingerprint of all rounds up to this one."""
        kept = check_equal(self.channel, self.start_states.passed_on(state))
        return self.channel.from_main(
            lambda: digest((state.digest, record, state.controller, kept))
        )

    def _fail(self, state: ExplorationState) -> None:
        """Go back to the round's start after all replicas diverged."""
        state.failures += 1
        over = self.channel.from_main(lambda: self.controller.finished)
        if over or state.failures < MAX_FAILED_ROUNDS:
            self.reporter.failed(state, over)
            state.clear_round()
            return
        fate, failures = self.reporter.fate(state), state.failures
        state.clear_round()
        state.failures = 0
        self._commit(state)
        raise RuntimeError(
            f'All replicas of round {state.round + 1} {fate} {failures} times '
            f'in succession. The state before it is kept in '
            f'{self.store.root}; with `--resume` the round is tried again.'
        )

    def _describe(self, rank: int, shares: Sequence[Sequence[int]]) -> str:
        for members, share in zip(self.groups.members, shares, strict=True):
            if share and rank in members:
                names = ', '.join(str(k + 1) for k in share)
                return f'replica{"s" * (len(share) > 1)} {names}'
        return 'no replica of this wave'

    def _commit(self, state: ExplorationState) -> None:
        """Store the state, of which all ranks keep the small part alone."""
        state.commits += 1
        self.channel.from_main(lambda: self._store(state))
        state.put_parts(self.store.parts(state.commits))

    def _store(self, state: ExplorationState) -> None:
        with stop_on_sigterm():
            self.store.commit(state.commits, state.to_payload(), state.parts())
