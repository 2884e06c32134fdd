"""Shows the training that follows an exploration."""

from __future__ import annotations

import time
from typing import Any

from mmengine.hooks import Hook

from mmada.engine.monitor.monitor import Monitor
from mmada.engine.monitor.status import Phase
from mmada.engine.reward import RewardMetric


class TrainingMonitorHook(Hook):
    """Keeps a monitor up to date in an ordinary training loop.

    Args:
        monitor: To be kept up to date.
        metric: What the search maximised, shown if the validation has it.
    """

    priority = 'LOWEST'

    def __init__(self, monitor: Monitor, metric: RewardMetric) -> None:
        self._monitor = monitor
        self._metric = metric

    def before_train(self, runner: Any) -> None:
        """Begins the phase, maybe in the middle after a resume."""
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
        """Counts the iteration and estimates the time left."""
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
        """Keeps the best value of the metric."""
        value = self._metric.score(metrics or {}).value
        if value is None:
            return
        best = self._monitor.status.best_metric
        self._monitor.update(
            best_metric=value if best is None else max(best, value)
        )
