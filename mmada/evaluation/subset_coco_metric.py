"""MMDetection's COCO metric as a reward: of the images that were seen."""

from __future__ import annotations

from typing import Any

from mmdet.evaluation import CocoMetric
from mmengine.registry import METRICS

ITEMS = ('mAP', 'mAP_50', 'mAP_75', 'mAP_s', 'mAP_m', 'mAP_l')


@METRICS.register_module()
class SubsetCocoMetric(CocoMetric):
    """Average precision on the evaluated images of an annotation file.

    As ``CocoMetric``, with the same options and keys, but for two things
    that matter for rewards. Objects of images that were not evaluated are
    not missed ones, so images may be held out by a list of ids
    (:class:`ImageSubset`) and the annotation file stays as it is. And a
    model that finds nothing, as one does in its first iterations, scores 0
    instead of having no metric.
    """

    def compute_metrics(self, results: list) -> dict[str, Any]:
        """Average over the images of the results.

        Args:
            results: Pairs of what is known of an image and what was found.
        """
        # Set before each evaluation: the one before may have been of others.
        self.img_ids = sorted({truth['img_id'] for truth, _ in results})
        found: dict[str, Any] = super().compute_metrics(results)
        nothing = {
            f'{kind}_{item}': 0.0
            for kind in self.metrics
            if kind in ('bbox', 'segm')
            for item in self.metric_items or ITEMS
        }
        return found if self.format_only else nothing | found
