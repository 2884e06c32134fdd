"""PQ, AP or IoU of each class, also where a metric only prints them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmdet.evaluation import CocoMetric, CocoPanopticMetric
from mmengine.evaluator import BaseMetric

from mmada.diagnostics.reward.class_amounts import ClassAmounts
from mmada.evaluation import PanopticQuality

CLASSWISE = ('PQ', 'precision')
"""What is behind the name of a class in the metrics of mmada and mmdet."""


def with_classes(metrics: Sequence[BaseMetric]) -> list[BaseMetric]:
    """Return metrics that also give the quality of each class.

    Args:
        metrics: Those of an evaluator. Some get an option, some another
            metric behind them.
    """
    found: list[BaseMetric] = []
    for metric in metrics:
        found.append(metric)
        if isinstance(metric, (PanopticQuality, CocoMetric)):
            metric.classwise = True
        # With `outfile_prefix` it has files instead of counts.
        elif isinstance(metric, CocoPanopticMetric) and metric.tmp_dir:
            found.append(ClassPQ(metric))
    return found


class ClassPQ(BaseMetric):
    """PQ of each class, which mmdet's metric prints and does not return.

    Args:
        metric: It counts the images; it has to come first in an evaluator.
    """

    def __init__(self, metric: CocoPanopticMetric) -> None:
        super().__init__(metric.collect_device, metric.prefix)
        self._metric = metric

    def process(self, data_batch: Any, data_samples: Any) -> None:
        """Take over what the other metric has counted since.

        Args:
            data_batch: Not used.
            data_samples: Not used.
        """
        self.results += self._metric.results[len(self.results) :]

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Return PQ in percent of the classes that are true or predicted.

        Args:
            results: A PQStat of panopticapi for each image.
        """
        total = type(results[0])()
        for result in results:
            total += result
        found = {}
        for category, info in self._metric.categories.items():
            count = total[category]
            size = count.tp + (count.fp + count.fn) / 2
            if size:
                found[f'{info["name"]}_PQ'] = 100 * count.iou / size
        return found


def split_by_class(
    metrics: Mapping[str, float], classes: Sequence[str]
) -> tuple[dict[str, float], dict[str, float]]:
    """Separate the quality of each class from the metrics of all.

    Args:
        metrics: What an evaluation gives.
        classes: Their names.

    Returns:
        The other metrics, and PQ or AP of the classes that have one, the
        largest where there are several.
    """
    names = {f'{name}_{kind}': name for name in classes for kind in CLASSWISE}
    others: dict[str, float] = {}
    qualities: dict[str, float] = {}
    for key, value in metrics.items():
        name = names.get(key.split('/')[-1])
        if name is None:
            others[key] = value
        elif not math.isnan(value):
            qualities[name] = max(value, qualities.get(name, 0.0))
    return others, qualities


def class_iou(amounts: ClassAmounts) -> dict[str, float]:
    """Return IoU in percent of the classes that are true or predicted.

    Pixels whose true label is void do not count, as in mmseg's IoUMetric.
    """
    labelled = amounts.shared[:-1]
    shared = np.diag(labelled)
    union = labelled.sum(1) + labelled.sum(0)[:-1] - shared
    return {
        name: 100 * float(both) / float(either)
        for name, both, either in zip(
            amounts.classes, shared, union, strict=True
        )
        if either
    }
