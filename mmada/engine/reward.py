"""What a replica is scored by: one metric, or a weighted sum of several.

How a controller turns the scores of a round into rewards (Eq. 3 to 5) is in
`controllers/rewards.py`.

The metric reads a number from what an evaluator gives; the evaluator applies
a model to the reward data.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import torch
from mmdet.evaluation import CocoMetric
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.runner import Runner

from mmada.engine.quiet import quiet
from mmada.evaluation import score_of_nothing
from mmada.utils.measurements import known_metric

WEIGHTED_SUM = 'weighted_sum'
"""Key of the sum among the metrics of a replica."""

RESAMPLES = '_resamples'
"""A metric `K` may bring `K_resamples`: its value on resampled images."""

_FAILED = '_failed'
"""Key of a metric that failed, after its prefix."""


class Score(NamedTuple):
    """What the reward data say of a model.

    Attributes:
        metrics: All numbers, those that are maximised first.
        value: What is maximised; None if it is not finite.
        resamples: The same on resampled images; None if a metric has none.
    """

    metrics: dict[str, float]
    value: float | None
    resamples: list[float] | None = None


class RewardMetric:
    """Reads what is maximised from what an evaluator gives.

    Args:
        config: Key of a metric, or the weights of a sum by key; a negative
            weight minimises.

    Attributes:
        config: The same, as JSON has it.
        key: Key of what is maximised among a score's metrics.

    Raises:
        ValueError: If it is neither, or the weights do not fit.
    """

    def __init__(self, config: str | Mapping[str, float]) -> None:
        if isinstance(config, str):
            self.config: str | dict[str, float] = config
            self.weights = {config: 1.0}
            self.key = config
        else:
            self.config = self.weights = _check_weights(config)
            self.key = WEIGHTED_SUM

    def check(self, found: Mapping[str, Any]) -> None:
        """Check that an evaluator gives a number of each key.

        Raises:
            ValueError: With the keys that it gives.
        """
        known = numbers_of(found)
        given = ', '.join(sorted(known)) or (
            'none (with `format_only=True` it writes results alone)'
        )
        for key in self.weights:
            if key in known:
                continue
            kind = type(found.get(key)).__name__
            note = f', which is no number but a {kind}' if key in found else ''
            raise ValueError(
                '`reward_metric` should be what the evaluator gives, among '
                f'{given}. Found {key!r}{note}.'
            )

    def check_truth(self, without: Mapping[str, Any]) -> None:
        """Check that the reward data have what is measured.

        Args:
            without: What an evaluator gives a model that finds nothing, as
                far as it is known.

        Raises:
            ValueError: If a key is not measured.
        """
        values = numbers_of(without)
        missing = [
            key for key in self.weights if math.isnan(values.get(key, 0))
        ]
        if missing:
            raise ValueError(
                '`reward_metric` should be what the reward data have objects '
                f'for. Found {", ".join(map(repr, missing))}, which '
                'no model can be measured by: of that size, class or kind '
                'there is none. Add images with some, or leave it out.'
            )

    def why_missing(self, metrics: Mapping[str, float]) -> str:
        """Say which parts of what is maximised are no numbers."""
        return ', '.join(
            f'{key!r} is {metrics[key]}'
            if key in metrics
            else f'{key!r} is missing'
            for key in self.weights
            if not math.isfinite(metrics.get(key, math.nan))
        )

    def score(self, found: Mapping[str, Any]) -> Score:
        """Pick numbers, what is maximised and its resamples.

        Args:
            found: What an evaluator gives.
        """
        numbers = numbers_of(found)
        parts = {k: numbers[k] for k in self.weights if k in numbers}
        value = weighted_sum(numbers, self.weights)
        total = {self.key: value} if self.key == WEIGHTED_SUM else {}
        return Score(
            total | parts | numbers,
            value if math.isfinite(value) else None,
            self._resamples(found),
        )

    def _resamples(self, found: Mapping[str, Any]) -> list[float] | None:
        lists = [found.get(key + RESAMPLES) for key in self.weights]
        # Something else may have that name; only a list is meant.
        counts = {len(v) if isinstance(v, list) else 0 for v in lists}
        if len(counts) > 1 or not all(counts):
            return None
        return [
            weighted_sum(
                dict(zip(self.weights, values, strict=True)), self.weights
            )
            for values in zip(*lists, strict=True)
        ]


def weighted_sum(
    values: Mapping[str, float], weights: Mapping[str, float]
) -> float:
    """Return the sum of weighted values, NaN where one is missing.

    It does not depend on the order of the weights.

    Args:
        values: Numbers by key, perhaps more than there are weights.
        weights: Weights by key.
    """
    return sum(
        weights[key] * values.get(key, math.nan) for key in sorted(weights)
    )


def numbers_of(found: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers among what an evaluator gives, as floats.

    What is not measured, such as COCO's -1, is NaN.
    """
    numbers = {key: _number(value) for key, value in found.items()}
    return {k: known_metric(k, v) for k, v in numbers.items() if v is not None}


def _number(value: Any) -> float | None:
    """Return a value as a float; None if it is no number."""
    if isinstance(value, torch.Tensor | np.ndarray) and value.ndim == 0:
        value = value.item()
    # Real, since a float32 of NumPy is no float.
    return float(value) if isinstance(value, Real) else None


def _check_weights(config: Any) -> dict[str, float]:
    if not isinstance(config, Mapping) or not config:
        raise ValueError(
            '`reward_metric` should be the key of a metric, or a dict of '
            f'weights by key with at least one of them. Found {config!r}.'
        )
    for key, weight in config.items():
        number = isinstance(weight, Real) and not isinstance(weight, bool)
        if not number or not math.isfinite(weight):
            raise ValueError(
                f'`reward_metric[{key!r}]` should be a finite number, the '
                f'weight of that metric. Found {weight!r}.'
            )
    if not any(config.values()):
        raise ValueError(
            '`reward_metric` should have a weight that is not zero. '
            f'Found {dict(config)!r}.'
        )
    return {str(key): float(weight) for key, weight in config.items()}


class RewardEvaluator:
    """Evaluates a model apart from the runner's own validation.

    The runner's validation loop would fire hooks that save, average or step
    on behalf of a replica that may be thrown away. To be made and used by
    all ranks of the default group, which share the data out.

    Args:
        dataloader: Config of the reward data, held out of training.
        evaluator: Config of one or several metrics, or metrics.
        metric: The key whose value is maximised, or the weights of a sum
            by key.
        seed: Seeds the dataloader's workers.
    """

    def __init__(
        self,
        dataloader: dict[str, Any],
        evaluator: dict[str, Any] | list[dict[str, Any]] | list[BaseMetric],
        metric: str | Mapping[str, float],
        seed: int,
    ) -> None:
        self.metric = RewardMetric(metric)
        self.dataloader = Runner.build_dataloader(dataloader, seed=seed)
        if len(self.dataloader.dataset) == 0:
            raise ValueError(
                '`reward_dataloader.dataset` should have at least one image. '
                'Found none.'
            )
        self._evaluator = Evaluator(evaluator)
        self._evaluator.dataset_meta = getattr(
            self.dataloader.dataset, 'metainfo', None
        )

    @torch.no_grad()
    def check(self, model: Any) -> None:
        """Evaluate one batch to see that what is maximised exists.

        Metrics that fail on one batch are shown all reward data: that of
        KITTI wants predictions of each sample. Whether a value can be
        measured at all, a batch does not show: metrics that know the truth
        of all reward data are asked.

        Raises:
            ValueError: If the evaluator gives no number of a key, or the
                reward data have no truth for it.
        """
        # Kept: one of mmdet removes the files of all copies when it goes.
        self._tried = [self._trial(), self._trial()]
        for metric in self._tried[0].metrics:
            _mark_failures(metric)
        found = self._evaluate_batch(model, self._tried[0])
        if any(key.endswith(_FAILED) for key in found):
            found = self._evaluate(model, self._tried[1])
        with quiet():
            nothing = self._score_of_nothing()
        self.metric.check(found)
        self.metric.check_truth(nothing)

    @torch.no_grad()
    def score(
        self, model: Any, between: Callable[[], None] = lambda: None
    ) -> Score:
        """Return what the reward data say of a model.

        Args:
            model: The model.
            between: Called after each batch.
        """
        for metric in self._evaluator.metrics:
            metric.results.clear()  # of an evaluation that was cut short
        return self.metric.score(
            self._evaluate(model, self._evaluator, between)
        )

    def evaluate(self, model: Any) -> dict[str, float]:
        """Return all metrics of the model on the reward data."""
        return self.score(model).metrics

    def _evaluate(
        self,
        model: Any,
        evaluator: Evaluator,
        between: Callable[[], None] = lambda: None,
    ) -> dict[str, Any]:
        """Return what an evaluator gives for all reward data."""
        model.eval()
        for batch in self.dataloader:
            outputs = model.val_step(batch)
            evaluator.process(data_samples=outputs, data_batch=batch)
            between()
        with quiet():
            return evaluator.evaluate(len(self.dataloader.dataset))

    def _evaluate_batch(
        self, model: Any, evaluator: Evaluator
    ) -> dict[str, Any]:
        """Return what an evaluator gives for the first batch."""
        model.eval()
        batch = next(iter(self.dataloader))
        outputs = model.val_step(batch)
        evaluator.process(data_samples=outputs, data_batch=batch)
        with quiet():
            return evaluator.evaluate(len(outputs))

    def _score_of_nothing(self) -> dict[str, Any]:
        """Return what is known of a model that finds nothing."""
        images = _images_of(self.dataloader.dataset)
        found: dict[str, Any] = {}
        for metric in self._trial().metrics if images else ():
            if hasattr(metric, 'score_of_nothing'):
                values = metric.score_of_nothing(images)
            elif isinstance(metric, CocoMetric) and not metric.format_only:
                metric.outfile_prefix = None
                values = score_of_nothing(metric, images)
            else:
                continue
            prefix = f'{metric.prefix}/' if metric.prefix else ''
            found |= {prefix + key: value for key, value in values.items()}
        return found

    def _trial(self) -> Evaluator:
        """Return an evaluator that leaves no trace in the real one.

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


def _mark_failures(metric: BaseMetric) -> None:
    """Let a metric that fails give a mark, which reaches all ranks.

    Only the first rank computes; an error there leaves the others waiting.
    """
    compute = metric.compute_metrics

    def compute_or_mark(results: list[Any]) -> dict[str, Any]:
        try:
            return compute(results)
        except Exception:  # whatever it lacks in a batch
            return {_FAILED: True}

    metric.compute_metrics = compute_or_mark


def _images_of(dataset: Any) -> list[dict[str, Any]]:
    """Return what a data set knows of each image; nothing if it cannot say."""
    if not hasattr(dataset, 'get_data_info'):
        return []
    images = [dataset.get_data_info(i) for i in range(len(dataset))]
    known = {'img_id', 'height', 'width'}
    return images if all(known <= image.keys() for image in images) else []
