"""Scores a replica on the reward data."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from mmengine.evaluator import Evaluator
from mmengine.runner import Runner

from mmada.engine.reward import RewardMetric, Score


class RewardEvaluator:
    """Evaluates a model apart from the runner's own validation.

    The runner's validation loop would fire hooks that save, average or step
    on behalf of a replica that may be thrown away. To be made and used by
    all ranks of the default group, which share the data out.

    Args:
        dataloader: Config of the reward data, held out of training.
        evaluator: Config of one or several metrics.
        metric: The key whose value is maximised, or the weights of a sum
            by key.
        seed: Seeds the dataloader's workers.
    """

    def __init__(
        self,
        dataloader: dict[str, Any],
        evaluator: dict[str, Any] | list[dict[str, Any]],
        metric: str | Mapping[str, float],
        seed: int,
    ) -> None:
        self.metric = RewardMetric(metric)
        self.dataloader = Runner.build_dataloader(dataloader, seed=seed)
        if len(self.dataloader.dataset) == 0:
            raise ValueError(
                '`reward_dataloader.dataset` has no image; '
                'expected at least one.'
            )
        self._evaluator = Evaluator(evaluator)
        self._evaluator.dataset_meta = getattr(
            self.dataloader.dataset, 'metainfo', None
        )

    @torch.no_grad()
    def check(self, model: Any) -> None:
        """Evaluates one batch to see that what is maximised exists.

        Raises:
            ValueError: If the evaluator gives no number of a key.
        """
        model.eval()
        batch = next(iter(self.dataloader))
        outputs = model.val_step(batch)
        # Kept: one of mmdet removes the files of all copies when it goes.
        self._tried = trial = self._trial()
        trial.process(data_samples=outputs, data_batch=batch)
        self.metric.check(trial.evaluate(len(outputs)))

    @torch.no_grad()
    def score(
        self, model: Any, between: Callable[[], None] = lambda: None
    ) -> Score:
        """Returns what the reward data say of a model.

        Args:
            model: The model.
            between: Called after each batch.
        """
        for metric in self._evaluator.metrics:
            metric.results.clear()  # of an evaluation that was cut short
        model.eval()
        for batch in self.dataloader:
            outputs = model.val_step(batch)
            self._evaluator.process(data_samples=outputs, data_batch=batch)
            between()
        size = len(self.dataloader.dataset)
        return self.metric.score(self._evaluator.evaluate(size))

    def _trial(self) -> Evaluator:
        """Returns an evaluator that leaves no trace in the real one.

        A metric may take the truth it sees first for all there is, as
        mmdet's CocoMetric does without an annotation file. The copies are
        shallow, since a truth that was read from a file is large.
        """
        metrics = [copy.copy(metric) for metric in self._evaluator.metrics]
        for metric in metrics:
            metric.results = []
        trial = Evaluator(metrics)
        trial.dataset_meta = self._evaluator.dataset_meta
        return trial

    def evaluate(self, model: Any) -> dict[str, float]:
        """Returns all metrics of the model on the reward data."""
        return self.score(model).metrics
