"""What a person sees of an exploration while it runs."""

from __future__ import annotations

from typing import Any

from mmengine.logging import print_log

import mmada.engine.monitor.log_text as text
from mmada.controllers import RoundResult
from mmada.engine.exploration.history import best_metric, resting, scalars
from mmada.engine.exploration.state import ExplorationState
from mmada.engine.loops.exploration_progress import ExplorationProgress
from mmada.engine.loops.history_file import write_history


class ExplorationReporter(ExplorationProgress):
    """Logs rounds and incidents, too, and feeds the visual backends."""

    def resumed(self, state: ExplorationState) -> None:
        """Says from where a resumed exploration goes on."""
        _log(
            f'Exploration resumed: {state.round} of {self.num_rounds} '
            f'rounds done, {len(state.results)} of {self.num_replicas} '
            'replicas of the next one.'
        )
        self._write_history(state)

    def failed(self, state: ExplorationState) -> None:
        """Warns that no replica survived the round."""
        _warn(
            f'All replicas of round {state.round + 1} diverged; it is '
            'tried again with new samples.'
        )

    def retried(
        self, state: ExplorationState, replica: int, error: str
    ) -> None:
        """Warns that a replica's segment failed and is done again."""
        _warn(
            f'Replica {replica + 1} of round {state.round + 1} failed; its '
            f'segment is done again.\n{error}'
        )

    def out_of_memory(self, state: ExplorationState, replica: int) -> None:
        """Warns that a replica is left out of its round."""
        _warn(
            f'Replica {replica + 1} of round {state.round + 1} ran out of '
            'memory again; it counts as diverged.'
        )

    def record(
        self, state: ExplorationState, result: RoundResult
    ) -> dict[str, Any]:
        """Makes the JSON-able record of a completed round."""
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
        """Logs a round, feeds the visual backends and calls the hooks."""
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

    def provenance(self, state: ExplorationState) -> dict[str, Any]:
        """Returns where a policy comes from, for its file."""
        return dict(
            config=str(self.runner.cfg.filename or ''),
            num_replicas=self.num_replicas,
            iters_per_round=self.num_iters,
            reward_metric=self.metric.config,
            final_metric=best_metric(state.history[-1], self.metric.key),
        )

    def _write_history(self, state: ExplorationState) -> None:
        if self.runner.rank == 0:
            write_history(self.directory, state.history)


def _log(message: str) -> None:
    print_log(message, logger='current')


def _warn(message: str) -> None:
    print_log(message, logger='current', level=30)
