"""Keeps the status of a run and shows it, in a search and in a training.

Names of scalars that every visual backend accepts are made here as well.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from mmengine.hooks import Hook

from mmada.engine.monitor.status import Phase, RunStatus, StatusFile
from mmada.engine.monitor.terminal_line import TerminalLine
from mmada.engine.preemption import Preempted
from mmada.engine.reward import RewardMetric
from mmada.utils.run_files import EXPLORATION_DIR, STATUS_FILE


class View(Protocol):
    """Shows the status of a run; the terminal or a file."""

    def show(self, status: RunStatus, urgent: bool) -> None:
        """Show it now if it is urgent, else as often as is reasonable."""

    def close(self) -> None:
        """Let go of what it shows on."""


class Monitor:
    """Shows what a run does while it is entered, and how it ended.

    Nothing is shown before `begin`: until the work directory is locked it
    may belong to another run. Only the main rank shows anything.

    Args:
        runner: The runner.
    """

    def __init__(self, runner: Any) -> None:
        self.runner = runner
        self.status = RunStatus()
        self._views: list[View] = []
        self._begun = False

    def __enter__(self) -> Monitor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Say how the run ended; the error goes on."""
        if error is None:
            self.enter_phase(Phase.FINISHED, error=None)
        elif isinstance(error, (Preempted, KeyboardInterrupt)):
            self.enter_phase(Phase.STOPPED)
            if self.runner.rank == 0:
                self.runner.logger.warning(
                    'Stopped. The same command with `--resume` continues '
                    'after what is committed.'
                )
        else:
            self.enter_phase(Phase.FAILED, error=_first_line(error))
        for view in self._views:
            view.close()
        self._views = []

    def begin(self) -> None:
        """Start to show the run, once; the work directory is its own."""
        if self._begun:
            return
        self._begun = True
        if self.runner.rank == 0:
            path = Path(self.runner.work_dir) / EXPLORATION_DIR / STATUS_FILE
            self._views = [
                StatusFile(path, self.runner.world_size),
                TerminalLine(self.runner.logger),
            ]
        self._show(urgent=True)

    def enter_phase(self, phase: Phase, **fields: Any) -> None:
        """Show at once that another phase begins.

        Args:
            phase: The phase.
            **fields: Of the status. What is not named becomes unknown when
                a phase of work begins, but for what a search came to, and
                stays as it was at the end.
        """
        if phase in (Phase.FINISHED, Phase.FAILED, Phase.STOPPED):
            fields = dict(seconds_left=None, **fields)
        else:
            self.status = RunStatus(
                nothing_learned=self.status.nothing_learned
            )
        self._set(phase=phase, **fields)
        self._show(urgent=True)

    def update(self, **fields: Any) -> None:
        """Show new values of fields of the status, when it is time."""
        self._set(**fields)
        self._show(urgent=False)

    def _set(self, **fields: Any) -> None:
        for name, value in fields.items():
            setattr(self.status, name, value)

    def _show(self, urgent: bool) -> None:
        for view in self._views:
            view.show(self.status, urgent)


def _first_line(error: BaseException) -> str:
    text = str(error).strip().partition('\n')[0]
    return f'{type(error).__name__}: {text}' if text else type(error).__name__


class TrainingMonitorHook(Hook):
    """Keeps a monitor up to date in an ordinary training loop.

    Args:
        monitor: To be kept up to date.
        metric: What the search maximised, shown if the validation has it.
    """

    priority = 'LOWEST'
    in_replicas = 'silent'

    def __init__(self, monitor: Monitor, metric: RewardMetric) -> None:
        self._monitor = monitor
        self._metric = metric

    def before_train(self, runner: Any) -> None:
        """Begin the phase, maybe in the middle after a resume."""
        self._first_iter = runner.iter
        self._began = time.monotonic()
        self._monitor.enter_phase(
            Phase.TRAINING,
            iteration=runner.iter,
            num_iterations=runner.max_iters,
            epoch=min(runner.epoch + 1, runner.max_epochs),
            num_epochs=runner.max_epochs,
            metric=self._metric.key,
        )

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Count the iteration and estimate the time left."""
        done = runner.iter + 1
        seconds = time.monotonic() - self._began
        rate = seconds / (done - self._first_iter)
        self._monitor.update(
            iteration=done,
            epoch=runner.epoch + 1,
            seconds_left=rate * (runner.max_iters - done),
        )

    def after_val_epoch(
        self, runner: Any, metrics: dict[str, float] | None = None
    ) -> None:
        """Keep the best value of the metric."""
        value = self._metric.score(metrics or {}).value
        if value is None:
            return
        best = self._monitor.status.best_metric
        self._monitor.update(
            best_metric=value if best is None else max(best, value)
        )


def scalar_name(phase: str, *parts: str) -> str:
    """Join parts to a name, such as ``exploration/weights.seg``.

    Letters, digits and ``_ - . / space`` are what MLflow takes, which drops
    all scalars of a call if one name has another character or an empty part.
    Slashes are in front alone: mmdet's ``analyze_logs.py`` cuts a name there,
    and what is left must not be the name of a loss or of a metric.

    Args:
        phase: Search or training that it is of.
        *parts: Any text; other characters become ``_``.
    """
    tail = [each for part in parts for each in _clean(part)]
    return f'{"/".join(_clean(phase))}/{".".join(tail)}'


def _clean(text: str) -> list[str]:
    found = re.sub(r'[^\w\-. /]', '_', text, flags=re.ASCII).split('/')
    return [each if each.strip('. ') else '_' for each in found]
