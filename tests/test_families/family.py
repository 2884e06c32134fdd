"""What the conformance suite has to know of a family of detectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from mmdet.evaluation import CocoMetric
from mmengine.registry import DATASETS, METRICS

from mmada.testing import DetectorCase

ADAM = dict(type='AdamW', lr=1e-3, weight_decay=0.05)


@dataclass(frozen=True)
class Metric:
    """How a family is scored.

    Attributes:
        key: The number that is maximised.
        evaluator: Config of the metric; `{truth}` in it is the folder of
            the annotation files.
    """

    key: str
    evaluator: Mapping[str, Any]


def batch_of(
    dataset: str, dtype: torch.dtype = torch.float32
) -> dict[str, Any]:
    """Returns two images, one with an object and one with three."""
    images = DATASETS.build(dict(type=dataset))
    items = [images[0], images[2]]
    for item in items:
        if 'gt_instances' in item['data_samples']:
            truth = item['data_samples'].gt_instances
            truth.bboxes = truth.bboxes.to(dtype)
    return {key: [item[key] for item in items] for key in items[0]}


@dataclass(frozen=True, kw_only=True)
class Family(DetectorCase):
    """A tiny detector, and what the documentation says of it.

    Attributes:
        name: As in the documentation.
        metric: What it is scored by.
        dataset: Type of the images to train on.
        remark: What a user should know.
    """

    name: str
    metric: Metric
    batch: Callable[[], dict[str, Any]] = partial(batch_of, 'TinyBoxes')
    dataset: str = 'TinyBoxes'
    remark: str = ''


DOUBLE: dict[str, Any] = dict(
    dtype=torch.float64,
    batch=partial(batch_of, 'TinyBoxes', torch.float64),
)
"""Of a family whose operators can be run in double precision."""


@METRICS.register_module()
class LenientCocoMetric(CocoMetric):
    """MMDetection's metric at lower thresholds, the least of them any overlap.

    A network that has hardly been trained scores 0 at the official ones.
    """

    def __init__(self, **options: Any) -> None:
        # An array, since a list is beyond pycocotools.
        super().__init__(iou_thrs=np.array([1e-4, 0.1, 0.5]), **options)


_COCO = dict(
    type='LenientCocoMetric',
    ann_file='{truth}/instances.json',
    metric_items=['mAP'],
)
BOXES = Metric('coco/bbox_mAP', dict(_COCO, metric='bbox'))
MASKS = Metric('coco/segm_mAP', dict(_COCO, metric=['bbox', 'segm']))
PANOPTIC = Metric(
    'coco_panoptic/PQ',
    dict(
        type='PanopticQuality',
        ann_file='{truth}/panoptic.json',
        seg_prefix='{truth}/panoptic',
        classes_of='ground_truth',
    ),
)
MAPS = Metric('mIoU', dict(type='IoUMetric', iou_metrics=['mIoU']))
