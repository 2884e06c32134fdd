"""MMDetection's COCO metric as a reward: of the images that were seen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from mmdet.evaluation import CocoMetric
from mmdet.structures.mask import encode_mask_results
from mmengine.registry import METRICS

from mmada.utils.measurements import known_metric


@METRICS.register_module()
class SubsetCocoMetric(CocoMetric):
    """Average precision on the evaluated images of an annotation file.

    As ``CocoMetric``, with the same options and keys, but for three things
    that matter for rewards. Objects of images that were not evaluated are
    not missed ones, so images may be held out by a list of ids
    (:class:`ImageSubset`) and the annotation file stays as it is. A model
    that finds nothing, as one does in its first iterations, scores 0 instead
    of having no metric. And what no evaluated image has an object for is NaN
    instead of -1, whatever the model finds.
    """

    def compute_metrics(self, results: list) -> dict[str, Any]:
        """Average over the images of the results.

        Args:
            results: Pairs of what is known of an image and what was found.
        """
        # Set before each evaluation: the one before may have been of others.
        self.img_ids = sorted({truth['img_id'] for truth, _ in results})
        found = super().compute_metrics(_with_something(results))
        return {key: known_metric(key, value) for key, value in found.items()}


def score_of_nothing(
    metric: CocoMetric, images: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return what a COCO metric gives a model that finds nothing.

    That is 0, or -1 (NaN of SubsetCocoMetric) where there is no truth.

    Args:
        metric: It is changed, so give a copy.
        images: What the data set knows of each: `img_id`, `height`, `width`
            and, for a metric without an annotation file, `instances`.
    """
    nothing = dict(
        bboxes=np.zeros((0, 4)), scores=np.zeros(0), labels=np.zeros(0, int)
    )
    results = []
    for image in images:
        truth = {key: image[key] for key in ('img_id', 'height', 'width')}
        truth['anns'] = image.get('instances', ())
        found = dict(nothing, img_id=image['img_id'])
        if 'segm' in metric.metrics:
            found['masks'] = []
        results.append((truth, found))
    return dict(metric.compute_metrics(_with_something(results)))


def _with_something(results: list) -> list:
    """Return results in which at least one object is found.

    CocoMetric gives no metric where nothing is. What is added has a score of
    0 and matches no object: its box is outside the image, its mask is empty.
    """
    if not results or any(len(found['bboxes']) for _, found in results):
        return results
    truth, found = results[0]
    outside = dict(
        found,
        bboxes=np.array([[-2.0, -2.0, -1.0, -1.0]]),
        scores=np.zeros(1),
        labels=np.zeros(1, int),
    )
    if 'masks' in found:
        empty = np.zeros((1, truth['height'], truth['width']), bool)
        outside['masks'] = encode_mask_results(empty)
    if 'mask_scores' in found:
        outside['mask_scores'] = np.zeros(1)
    return [(truth, outside), *results[1:]]
