"""What the log, the monitor and the history say of an exploration."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.logging import MMLogger, print_log

import mmada.engine.monitor.log_text as text
from mmada.controllers import RoundResult
from mmada.engine.exploration.history import (
    best_metric,
    resting,
    scalars,
    short_name,
    write_history,
)
from mmada.engine.exploration.state import ExplorationState
from mmada.engine.exploration.targets import Target
from mmada.engine.monitor import PROGRESS, Monitor, Phase
from mmada.engine.reward import RewardMetric


class ExplorationReporter:
    """Shows where an exploration is, and what came of each round.

    Progress, incidents and rounds go to the log; rounds also to the visual
    backends, the hooks and the history file. The monitor gets the phase, the
    iteration and the best metric.

    Args:
        runner: Its visualizer and hooks are used.
        directory: Where the history goes.
        target: What an action is applied to.
        num_rounds: T.
        num_replicas: m.
        num_iters: q.
        metric: The reward metric.
        interval: Iterations between progress lines.
        monitor: Shows where the run is.
    """

    def __init__(
        self,
        runner: Any,
        directory: Path,
        target: Target,
        num_rounds: int,
        num_replicas: int,
        num_iters: int,
        metric: RewardMetric,
        interval: int,
        monitor: Monitor,
    ) -> None:
        self.runner = runner
        self.directory = directory
        self.names = list(target.names)
        self.record_keys = target.record_keys
        self.num_rounds = num_rounds
        self.num_replicas = num_replicas
        self.num_iters = num_iters
        self.metric = metric
        self.interval = interval
        self.monitor = monitor

    def begin(self) -> None:
        """Announce the pseudo epoch."""
        _log(
            f'Exploration: {self.num_rounds} rounds of {self.num_replicas} '
            f'replicas, {self.num_iters} iterations each, '
            f'{self.record_keys[0]} {", ".join(self.names)}. First a pseudo '
            'epoch with the neutral action.'
        )
        self.monitor.enter_phase(
            Phase.PSEUDO_EPOCH,
            search=self.directory.name,
            num_iterations=self.num_iters,
        )

    def pseudo_iteration(self, done: int) -> None:
        """Log progress of the pseudo epoch."""
        self.monitor.update(iteration=done)
        if done % self.interval == 0 or done == self.num_iters:
            _progress(f'pseudo epoch | iter {done}/{self.num_iters}')

    def rounds(self) -> None:
        """Show that the rounds begin, or go on."""
        self.monitor.enter_phase(
            Phase.EXPLORING,
            search=self.directory.name,
            num_rounds=self.num_rounds,
            num_replicas=self.num_replicas,
            num_iterations=self.num_iters,
            metric=self.metric.key,
        )

    def wave(self, state: ExplorationState, replicas: Sequence[int]) -> None:
        """Show which replicas are trained now."""
        self.monitor.update(
            round=state.round + 1,
            replicas=tuple(k + 1 for k in replicas),
            iteration=0,
            best_metric=self._best(state),
        )

    def start(
        self, state: ExplorationState, replica: int
    ) -> Callable[[int], None]:
        """Return what logs progress of a replica's iterations."""
        value = state.best_value
        finished = state.round * self.num_replicas + len(state.results)
        total = self.num_rounds * self.num_replicas

        def on_iteration(done: int) -> None:
            rest = total - finished - done / self.num_iters
            left = state.seconds / finished * rest if finished else math.nan
            self.monitor.update(iteration=done, seconds_left=left)
            if done % self.interval and done != self.num_iters:
                return
            _progress(
                text.format_progress(
                    state.round + 1,
                    self.num_rounds,
                    replica + 1,
                    self.num_replicas,
                    done,
                    self.num_iters,
                    value,
                    left,
                    short_name(self.metric.key),
                )
            )

        return on_iteration

    def resumed(self, state: ExplorationState) -> None:
        """Log from where a resumed exploration goes on."""
        _log(
            f'Exploration resumed: {state.round} of {self.num_rounds} '
            f'rounds done, {len(state.results)} of {self.num_replicas} '
            'replicas of the next one.'
        )
        self._write_history(state)

    def failed(self, state: ExplorationState, over: bool) -> None:
        """Warn that no replica survived the round.

        Args:
            state: With the results of the round.
            over: Whether the search ends there.
        """
        number = state.round + 1
        fate = (
            f'No replica of round {number} has a reward'
            if _unscored(state)
            else f'All replicas of round {number} diverged'
        )
        ends = 'the search ends with what it found before'
        _warn(f'{fate}; {ends if over else "it is tried again"}.')

    def fate(self, state: ExplorationState) -> str:
        """Say what became of all replicas of a round."""
        without = list(_unscored(state).values())
        if not without:
            return 'diverged'
        return f'had no reward ({self.metric.why_missing(without[0])})'

    def no_reference(self, source: str, metrics: Mapping[str, float]) -> None:
        """Warn that what the first round is compared with has no reward."""
        _warn(
            f'{source[0].upper()}{source[1:]} has no reward: '
            f'{self.metric.why_missing(metrics)} on the reward data.'
        )

    def unscored(self, state: ExplorationState) -> None:
        """Warn of replicas that trained and have no reward."""
        for k, metrics in _unscored(state).items():
            _warn(
                f'Replica {k + 1} of round {state.round + 1} has no reward: '
                f'{self.metric.why_missing(metrics)} on the reward data. It '
                'counts as diverged.'
            )

    def retried(
        self, state: ExplorationState, replica: int, error: str
    ) -> None:
        """Warn that a replica's segment failed and is done again."""
        _warn(
            f'Replica {replica + 1} of round {state.round + 1} failed; its '
            f'segment is done again.\n{error}'
        )

    def out_of_memory(self, state: ExplorationState, replica: int) -> None:
        """Warn that a replica is left out of its round."""
        _warn(
            f'Replica {replica + 1} of round {state.round + 1} ran out of '
            'memory again; it counts as diverged.'
        )

    def record(
        self, state: ExplorationState, result: RoundResult
    ) -> dict[str, Any]:
        """Make the JSON-able record of a completed round."""
        assert state.actions is not None
        names, actions = self.record_keys
        return dict(
            round=state.round + 1,
            **{names: self.names, actions: state.actions.tolist()},
            rewards=result.rewards.tolist(),
            metrics=[
                state.results[k]['metrics'] for k in sorted(state.results)
            ],
            reward_metric=self.metric.key,
            best=result.best,
            losses=state.losses.tolist(),
            reference=state.reference,
            updated=result.updated,
            reason=result.reason,
            info=result.info,
        )

    def publish(self, record: dict[str, Any], state: ExplorationState) -> None:
        """Log a round, feed the visual backends and call the hooks."""
        _log(
            '\n'
            + text.format_round(
                record['round'],
                self.num_rounds,
                self.names,
                record[self.record_keys[1]],
                record['rewards'],
                record['metrics'],
                record['best'],
                resting=resting(record),
                heading=self.record_keys[1],
            )
        )
        if record['reason']:
            _warn(f'Round {record["round"]}: {record["reason"]}')
        self.runner.visualizer.add_scalars(
            scalars(
                record,
                *self.record_keys,
                self.metric.key,
                self.directory.name,
            ),
            step=record['round'],
        )
        self._write_history(state)
        self.monitor.update(best_metric=self._best(state))
        self.runner.call_hook('after_exploration_round', record=record)

    def finished(self, nothing_learned: str) -> None:
        """Say so if the search learned nothing.

        Args:
            nothing_learned: Why; '' if it did learn.
        """
        if nothing_learned:
            _warn(f'The search learned nothing: {nothing_learned}.')
        self.monitor.update(nothing_learned=nothing_learned or None)

    def provenance(
        self, state: ExplorationState, nothing_learned: str
    ) -> dict[str, Any]:
        """Return where a policy comes from, for its file."""
        verdict = (
            dict(nothing_learned=nothing_learned) if nothing_learned else {}
        )
        return dict(
            config=str(self.runner.cfg.filename or ''),
            num_replicas=self.num_replicas,
            iters_per_round=self.num_iters,
            reward_metric=self.metric.config,
            final_metric=best_metric(state.history[-1], self.metric.key),
            **verdict,
        )

    def _best(self, state: ExplorationState) -> float | None:
        """Return the best value of the reward metric so far."""
        values = [best_metric(r, self.metric.key) for r in state.history]
        if state.best_value is not None:
            values.append(state.best_value)
        return max(values, default=None)

    def _write_history(self, state: ExplorationState) -> None:
        if self.runner.rank == 0:
            write_history(self.directory, state.history)


def _unscored(state: ExplorationState) -> dict[int, dict[str, float]]:
    """Return the metrics of the replicas that trained, but have no reward.

    One that diverged has neither metrics nor losses. An evaluator may give
    no metrics, as that of COCO does where nothing was found.
    """
    return {
        k: result['metrics']
        for k, result in sorted(state.results.items())
        if result['value'] is None and (result['metrics'] or result['losses'])
    }


def _progress(message: str) -> None:
    logger = MMLogger.get_current_instance()
    logger.info(message, extra={PROGRESS: True})


def _log(message: str) -> None:
    print_log(message, logger='current')


def _warn(message: str) -> None:
    print_log(message, logger='current', level=logging.WARNING)
