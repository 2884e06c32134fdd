"""Quality of a semantic segmentation as a metric of mmengine."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmengine.registry import METRICS
from torch import Tensor

from mmada.evaluation.class_counts import ClassesOf, check_classes_of
from mmada.evaluation.semantic_counts import (
    SemanticCounts,
    count_semantic,
    semantic_quality,
)
from mmada.utils.checks import check_int


@METRICS.register_module()
class SegmentationQuality(BaseMetric):
    """mIoU, FWIoU, mAcc, gAcc, BIoU and BF1 in percent.

    The metrics that Auto Seg-Loss searches for, by its own definitions: an
    edge is the inner one pixel wide boundary of a class; BIoU is the mean
    IoU within the trimap, the pixels near a true edge; BF1 compares the
    edges of each class, those of a prediction with the truth's nearby and
    the other way round. Counts are summed over the images first. Pixels to
    be ignored are in no area; in the truth, classes end where they begin.

    A class that there is nothing of is left out of an average: of mIoU (and
    BIoU) if it is neither in the truth nor predicted (within the trimap), of
    mAcc and BF1 if it is not in the truth. So two models may be averaged over
    different classes in mIoU and BIoU: one that predicts a class which is
    nowhere gets a zero for it that another one is spared. For rewards set
    ``classes_of='ground_truth'``: the classes are then those in the truth of
    all images, the same for every model. An average over no class is NaN,
    with a warning; without any labelled pixel all metrics are.

    FWIoU is the sum of frequency times IoU. The release averages their
    product with C over the classes that are not NaN, which is more, and may
    exceed 100, as soon as a class is left out.

    Args:
        ignore_index: True label of pixels without one. Defaults to 255.
        tolerance: Distance in pixels, along and across, up to which an edge
            is near. Defaults to 5.
        background: Index of a class that BF1 leaves out and whose edges are
            not in the trimap of BIoU, such as 0 for VOC. Defaults to None.
        num_classes: Number of classes; None for those of the data set.
            Defaults to None.
        classes_of: Classes that mIoU and BIoU average over: 'official' or
            'ground_truth'. Defaults to 'official'.
        collect_device: 'cpu' or 'gpu'. Defaults to 'cpu'.
        prefix: Prefix of the keys. Defaults to 'semantic'.
        collect_dir: Folder that ranks exchange results in, for
            ``collect_device='cpu'``. Defaults to None.

    Raises:
        ValueError: If an option does not fit.
    """

    default_prefix = 'semantic'

    def __init__(
        self,
        ignore_index: int = 255,
        tolerance: int = 5,
        background: int | None = None,
        num_classes: int | None = None,
        classes_of: ClassesOf = 'official',
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix, collect_dir)
        check_classes_of(classes_of)
        if isinstance(ignore_index, bool) or not isinstance(ignore_index, int):
            raise ValueError(
                f'`ignore_index` should be an integer. Found {ignore_index!r}.'
            )
        self.ignore_index = ignore_index
        self.tolerance = check_int('tolerance', tolerance, 0)
        if background is not None:
            check_int('background', background, 0)
        if num_classes is not None:
            check_int('num_classes', num_classes, 1)
        self.background = background
        self.num_classes = num_classes
        self.classes_of: ClassesOf = classes_of

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count one batch; maps are only read.

        Args:
            data_batch: Not used.
            data_samples: ``pred_sem_seg`` and ``gt_sem_seg`` of each image,
                with a map (1, height, width) as ``sem_seg`` (MMDetection) or
                ``data`` (MMSegmentation).

        Raises:
            ValueError: If a map is missing, sizes differ, a label is unknown
                or the number of classes is.
        """
        num_classes = self._count_classes()
        for sample in data_samples:
            try:
                counts = self._count(sample, num_classes)
            except ValueError as error:
                name = sample.get('img_path', sample.get('img_id'))
                raise ValueError(f'image {name}: {error}') from None
            self.results.append(counts.cpu())

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Sum up over images.

        Args:
            results: The counts of images.

        Returns:
            ``mIoU``, ``FWIoU``, ``mAcc``, ``gAcc``, ``BIoU`` and ``BF1``.
        """
        total = torch.zeros(
            len(SemanticCounts._fields),
            self._count_classes(),
            dtype=torch.int64,
        )
        for counts in results:
            total += counts
        values = semantic_quality(
            SemanticCounts(*total), self.background, self.classes_of
        )
        if missing := [k for k, value in values.items() if math.isnan(value)]:
            print_log(
                f'{", ".join(missing)} of a segmentation: NaN, since there is '
                'no class to average over.',
                logger='current',
                level=logging.WARNING,
            )
        return {name: 100 * value for name, value in values.items()}

    def _count_classes(self) -> int:
        number = self.num_classes
        if number is None:
            number = len((self.dataset_meta or {}).get('classes') or ())
        if number < 1:
            raise ValueError(
                '`num_classes` should be set, or dataset_meta should have '
                f'classes. Found {self.dataset_meta!r}.'
            )
        if not 0 <= (self.background or 0) < number:
            raise ValueError(
                f'`background` should be one of {number} classes. Found '
                f'{self.background}.'
            )
        return number

    def _count(self, sample: dict, num_classes: int) -> Tensor:
        predicted = label_map(sample, 'pred_sem_seg')
        truth = label_map(sample, 'gt_sem_seg').to(predicted.device)
        if truth.shape != predicted.shape:
            raise ValueError(
                'maps should have the same size. Found '
                f'{tuple(truth.shape)} and {tuple(predicted.shape)} '
                '(truth, prediction).'
            )
        ignored = truth == self.ignore_index
        _check_labels('true', truth[~ignored], num_classes)
        _check_labels('predicted', predicted, num_classes)
        return count_semantic(
            truth.masked_fill(ignored, num_classes),
            predicted,
            num_classes,
            self.tolerance,
            self.background,
        )


def label_map(sample: Mapping[str, Any], name: str) -> Tensor:
    """Return a map of a data sample, int64 (height, width).

    Args:
        sample: Of MMDetection or MMSegmentation, as a dict.
        name: 'gt_sem_seg' or 'pred_sem_seg'.

    Raises:
        ValueError: If it is not there, or has another shape.
    """
    found: Mapping[str, Any] = sample.get(name) or {}
    labels = found.get('sem_seg', found.get('data'))
    if labels is None:
        raise ValueError(
            f'{name} should have sem_seg or data. Found {sorted(found)}.'
        )
    if labels.ndim != 3 or labels.shape[0] != 1:
        raise ValueError(
            f'the map of {name} should have the shape (1, height, width). '
            f'Found {tuple(labels.shape)}.'
        )
    return labels[0].to(torch.int64)


def _check_labels(kind: str, labels: Tensor, num_classes: int) -> None:
    unknown = (labels < 0) | (labels >= num_classes)
    if unknown.any():
        raise ValueError(
            f'{kind} labels should be in 0..{num_classes - 1}. Found '
            f'{labels[unknown].unique().tolist()}.'
        )
