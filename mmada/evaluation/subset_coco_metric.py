"""MMDetection's COCO metric as a reward: of the images that were seen."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from mmdet.datasets.api_wrappers import COCOeval
from mmdet.evaluation import CocoMetric
from mmdet.evaluation.metrics import coco_metric
from mmdet.structures.mask import encode_mask_results
from mmengine.registry import METRICS

from mmada.evaluation.precision_resampling import resample_precision
from mmada.utils.checks import check_int
from mmada.utils.measurements import known_metric

EVALUATIONS = ('COCOeval', 'COCOevalMP')
ITEMS = ('mAP', 'mAP_50', 'mAP_75', 'mAP_s', 'mAP_m', 'mAP_l')
"""In the order in which COCO has them."""


@METRICS.register_module()
class SubsetCocoMetric(CocoMetric):
    """Average precision on the evaluated images of an annotation file.

    As ``CocoMetric``, with the same options and keys, but for four things
    that matter for rewards. Objects of images that were not evaluated are
    not missed ones, so images may be held out by a list of ids
    (:class:`ImageSubset`) and the annotation file stays as it is. A model
    that finds nothing, as one does in its first iterations, scores 0 instead
    of having no metric. What no evaluated image has an object for is NaN
    instead of -1, whatever the model finds. And AP is not rounded to three
    digits, which can be more than replicas differ by.

    Args:
        resamples: Number B of draws of the images with replacement, the same
            for every model. With some, mAP, mAP_50 and mAP_75 of boxes and
            masks come with a list of their values on the draws, as
            ``bbox_mAP_resamples``.
        **options: Of ``CocoMetric``.

    Raises:
        ValueError: If ``resamples`` is no number of draws.
    """

    def __init__(self, *args: Any, resamples: int = 0, **options: Any) -> None:
        super().__init__(*args, **options)
        self.resamples = check_int('resamples', resamples, 0)

    def compute_metrics(self, results: list) -> dict[str, Any]:
        """Average over the images of the results.

        Args:
            results: Pairs of what is known of an image and what was found.
        """
        # Set before each evaluation: the one before may have been of others.
        self.img_ids = sorted({truth['img_id'] for truth, _ in results})
        with _kept_evaluations() as made:
            found = super().compute_metrics(_with_something(results))
        # Not of the recall of proposals, whatever their class.
        evaluations = [each for each in made if each.params.useCats]
        found |= _exact(evaluations, found)
        values = {key: known_metric(key, v) for key, v in found.items()}
        return values | self._resample(evaluations, found)

    def _resample(
        self, evaluations: list[COCOeval], found: Mapping[str, Any]
    ) -> dict[str, list[float]]:
        if not self.resamples:
            return {}
        return {
            f'{key}_resamples': values.tolist()
            for evaluated in evaluations
            for item, values in resample_precision(
                evaluated, self.resamples
            ).items()
            if (key := f'{evaluated.params.iouType}_{item}') in found
        }


@contextlib.contextmanager
def _kept_evaluations() -> Iterator[list[COCOeval]]:
    """Keep the evaluations that CocoMetric makes and drops."""
    made: list[COCOeval] = []

    def keeping(kind: Callable[..., COCOeval]) -> Callable[..., COCOeval]:
        def make(*args: Any, **options: Any) -> COCOeval:
            made.append(kind(*args, **options))
            return made[-1]

        return make

    kinds = {name: getattr(coco_metric, name) for name in EVALUATIONS}
    try:
        for name, kind in kinds.items():
            setattr(coco_metric, name, keeping(kind))
        yield made
    finally:
        for name, kind in kinds.items():
            setattr(coco_metric, name, kind)


def _exact(
    evaluations: list[COCOeval], found: Mapping[str, Any]
) -> dict[str, float]:
    """Return the AP in all its digits, of those that were rounded."""
    return {
        key: float(value)
        for evaluated in evaluations
        for item, value in zip(ITEMS, evaluated.stats, strict=False)
        if (key := f'{evaluated.params.iouType}_{item}') in found
    }


def coco_metric_class(kind: Any) -> type[CocoMetric] | None:
    """Return MMDetection's ``CocoMetric`` or its like for a config's `type`.

    Other libraries have a ``CocoMetric`` of their own, MMPose one of
    keypoints. So the name is looked up in the default scope.

    Args:
        kind: Name or class of a metric.

    Returns:
        ``CocoMetric`` or ``SubsetCocoMetric``; None for any other metric.
    """
    found = kind
    if isinstance(kind, str):
        with METRICS.switch_scope_and_registry(None) as registry:
            found = registry.get(kind)
        if found is None and kind == CocoMetric.__name__:
            found = CocoMetric  # without a scope it is the only one
    return found if found in (CocoMetric, SubsetCocoMetric) else None


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
