"""Panoptic quality that keeps what each image adds to it."""

from __future__ import annotations

import numpy as np
from mmengine.registry import METRICS

from mmada.evaluation import PanopticQuality
from mmada.evaluation.averages import sum_counts
from mmada.evaluation.matching import ImageCounts


@METRICS.register_module()
class ImagewisePanopticQuality(PanopticQuality):
    """Keeps the counts of each image and class.

    Attributes:
        counts: Summed IoU, TP, FP and FN, shape (images, classes, 4), by
            image id and category id.
    """

    counts: np.ndarray

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Averages as its parent; see there."""
        records = sorted(ImageCounts(*r) for r in results)
        categories = sorted(self._truth.categories)
        self.counts = np.array(
            [
                list(sum_counts([record], categories).values())
                for record in records
            ]
        )
        return super().compute_metrics(results)
