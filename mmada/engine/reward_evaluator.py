"""Scores a replica on the reward data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

import torch
from mmengine.evaluator import Evaluator
from mmengine.runner import Runner


class RewardEvaluator:
    """Evaluates a model apart from the runner's own validation.

    The runner's validation loop would fire hooks that save, average or step
    on behalf of a replica that may be thrown away. To be made and used by
    all ranks of the default group, which share the data out.

    Args:
        dataloader: Config of the reward data, held out of training.
        evaluator: Config of one or several metrics.
        metric: The key whose value is maximised.
        seed: Seeds the dataloader's workers.
    """

    def __init__(
        self,
        dataloader: dict[str, Any],
        evaluator: dict[str, Any] | list[dict[str, Any]],
        metric: str,
        seed: int,
    ) -> None:
        self.dataloader = Runner.build_dataloader(dataloader, seed=seed)
        self.metric = metric
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
        """Evaluates one batch to see that the metric exists.

        Raises:
            ValueError: If the evaluator gives no number of that name.
        """
        model.eval()
        batch = next(iter(self.dataloader))
        outputs = model.val_step(batch)
        self._evaluator.process(data_samples=outputs, data_batch=batch)
        found = _numbers(self._evaluator.evaluate(len(outputs)))
        if self.metric not in found:
            raise ValueError(
                f'`reward_metric` is {self.metric!r}; the '
                f'evaluator gives: {", ".join(sorted(found))}.'
            )

    @torch.no_grad()
    def evaluate(
        self, model: Any, between: Callable[[], None] = lambda: None
    ) -> dict[str, float]:
        """Returns all metrics of the model on the reward data.

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
        return _numbers(self._evaluator.evaluate(len(self.dataloader.dataset)))


def _numbers(metrics: Mapping[str, Any]) -> dict[str, float]:
    # Real, since a float32 of NumPy is no float.
    return {k: float(v) for k, v in metrics.items() if isinstance(v, Real)}
