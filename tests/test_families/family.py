"""What the conformance suite has to know of a family of detectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmdet.evaluation import CocoMetric
from mmengine.registry import METRICS

ALL = ('all',)
SGD = dict(type='SGD', lr=0.02, momentum=0.9, weight_decay=1e-4)
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


@dataclass(frozen=True)
class Family:
    """A tiny detector, and what is known of it without running mmada.

    Attributes:
        name: As in the documentation.
        detector: Its config.
        objectives: Objective to the pattern that a user would write.
        losses: Objective to the losses that the pattern must match.
        owners: A few telling parameters to the objectives that reach them;
            `ALL` for the trunk, () for none.
        metric: What it is scored by.
        unweighted: Losses that are left out of the objectives.
        optimizer: That of the family's own configs.
        mode: The head rule that suits it.
        scope: Where its parts are registered.
        dataset: Type of the images to train on.
        dtype: The widest in which the family's operators can be run.
        remark: What a user should know.
    """

    name: str
    detector: Mapping[str, Any]
    objectives: Mapping[str, str]
    losses: Mapping[str, Sequence[str]]
    owners: Mapping[str, Sequence[str]]
    metric: Metric
    unweighted: Sequence[str] = ()
    optimizer: Mapping[str, Any] | None = None
    mode: str = 'lr'
    scope: str = 'mmdet'
    dataset: str = 'TinyBoxes'
    dtype: torch.dtype = torch.float32
    remark: str = ''

    @property
    def loss_names(self) -> list[str]:
        """All losses, sorted."""
        matched = [name for group in self.losses.values() for name in group]
        return sorted([*matched, *self.unweighted])


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
