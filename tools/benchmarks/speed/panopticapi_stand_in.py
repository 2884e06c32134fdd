"""What mmdet takes from panopticapi, for machines without that package.

Lets mmdet's own ``CocoPanopticMetric`` run unchanged, to be compared with.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
from mmdet.evaluation.functional import panoptic_utils
from mmdet.evaluation.metrics import coco_panoptic_metric
from numpy.typing import NDArray

from mmada.datasets.coco_panoptic import id_to_rgb


class PQStat:
    """What mmdet needs of the class of this name in panopticapi."""

    def __init__(self) -> None:
        self.per_cat: dict[int, SimpleNamespace] = defaultdict(
            lambda: SimpleNamespace(iou=0.0, tp=0, fp=0, fn=0)
        )

    def __getitem__(self, category: int) -> SimpleNamespace:
        return self.per_cat[category]

    def __iadd__(self, other: PQStat) -> PQStat:
        for category, counts in other.per_cat.items():
            for name, value in vars(counts).items():
                mine = self.per_cat[category]
                setattr(mine, name, getattr(mine, name) + value)
        return self

    def pq_average(
        self, categories: Mapping[int, Mapping[str, Any]], isthing: bool | None
    ) -> tuple[dict[str, float], dict[int, dict[str, float]]]:
        """Average over the categories of one kind, or all for None."""
        classes = {}
        for category, info in categories.items():
            if isthing is not None and bool(info['isthing']) != isthing:
                continue
            c = self.per_cat[category]
            weight = c.tp + c.fp / 2 + c.fn / 2
            if weight:
                sq = c.iou / c.tp if c.tp else 0.0
                classes[category] = dict(
                    pq=c.iou / weight, sq=sq, rq=c.tp / weight
                )
        n = len(classes)
        means = {
            k: sum(v[k] for v in classes.values()) / n
            for k in ('pq', 'sq', 'rq')
        }
        return dict(means, n=n), classes


def _rgb2id(color: NDArray[Any]) -> NDArray[np.int32]:
    wide = color.astype(np.int32)
    return wide[:, :, 0] + 256 * wide[:, :, 1] + 256 * 256 * wide[:, :, 2]


@contextlib.contextmanager
def panopticapi_for_mmdet() -> Iterator[None]:
    """Let mmdet's metric run where panopticapi is not installed."""
    if coco_panoptic_metric.panopticapi is not None:
        yield
        return
    names = dict(PQStat=PQStat, rgb2id=_rgb2id, id2rgb=id_to_rgb, VOID=0)
    changes = [
        (coco_panoptic_metric, dict(names, panopticapi=True)),
        (panoptic_utils, dict(names, OFFSET=256**3)),
    ]
    before = [(module, dict(vars(module))) for module, _ in changes]
    for module, values in changes:
        vars(module).update(values)
    try:
        yield
    finally:
        for module, old in before:
            vars(module).clear()
            vars(module).update(old)
