"""How the models of a problem are scored: panoptic quality, or precision.

A scoring says what the tables show, and keeps what intervals are made from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from intervals import Floats, image_draws, resampled_quality
from mmengine.registry import METRICS
from results import COUNTS, DRAWN, REWARD_COUNTS, REWARD_DRAWN

from mmada.evaluation import PanopticQuality, SubsetCocoMetric
from mmada.evaluation.class_counts import sum_counts
from mmada.evaluation.matching import ImageCounts

DRAWS = 4000
PRECISION_DRAWS = 1000
"""Fewer, as each takes as long as a hundred of panoptic quality."""

SHOWN_EVERY = 40


class Scoring(Protocol):
    """What differs between problems that are scored by different metrics.

    Attributes:
        columns: Name of a metric in the tables, to its name in the records;
            methods are compared by the first one.
        reward: The metric that searches are rewarded with.
        evaluator: What turns a config's evaluator into one that keeps what
            intervals are made from.
        prefix: Of the metrics' names in the evaluation.
        scale: From the metrics of the evaluation to percent.
        kept_as: File of what is kept of a test.
        rewards_kept_as: The same of the reward images.
    """

    columns: Mapping[str, str]
    reward: str
    evaluator: Mapping[str, Any]
    prefix: str
    scale: float
    kept_as: str
    rewards_kept_as: str

    def kept(self, metric: Any) -> dict[str, Any]:
        """Return what to keep of an evaluation."""

    def maps(self, metric: Any) -> dict[str, Any]:
        """Return predictions for pictures, by id of the image."""

    def resampled(self, file: Path) -> Floats:
        """Return the first metric in percent on each draw of the images.

        Args:
            file: What was kept.

        Returns:
            One value a draw; the draws are the same for all trainings.
        """


@METRICS.register_module()
class ImagewisePanopticQuality(PanopticQuality):
    """Keeps the counts of each image and class, and a few predicted maps.

    Attributes:
        counts: Summed IoU, TP, FP and FN, shape (images, classes, 4), by
            image id and category id.
        maps: Predictions for every `SHOWN_EVERY`th image, by its id.
    """

    counts: np.ndarray

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.maps: dict[str, np.ndarray] = {}

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count one batch as its parent; see there."""
        first = len(self.results)
        super().process(data_batch, data_samples)
        for index, sample in enumerate(data_samples, first):
            if index % SHOWN_EVERY == 0:
                segments = sample['pred_panoptic_seg']['sem_seg'][0]
                self.maps[str(sample['img_id'])] = segments.cpu().numpy()

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Average as its parent; see there."""
        records = sorted(ImageCounts(*r) for r in results)
        categories = sorted(self._truth.categories)
        self.counts = np.array(
            [
                list(sum_counts([record], categories).values())
                for record in records
            ]
        )
        return super().compute_metrics(results)


@METRICS.register_module()
class ResampledPrecision(SubsetCocoMetric):
    """Keeps the mask AP50 on draws of the images.

    Attributes:
        draws: In [0, 1], shape (PRECISION_DRAWS,).
    """

    draws: np.ndarray

    def __init__(self, **options: Any) -> None:
        super().__init__(**dict(options, resamples=PRECISION_DRAWS))

    def compute_metrics(self, results: list) -> dict[str, Any]:
        """Average as its parent; see there."""
        found = super().compute_metrics(results)
        self.draws = np.array(found['segm_mAP_50_resamples'], np.float32)
        return {k: v for k, v in found.items() if not isinstance(v, list)}


class PanopticScoring:
    """PQ of all classes, with the counts of each image."""

    columns: Mapping[str, str] = {
        'PQ': 'PQ',
        'SQ': 'SQ',
        'RQ': 'RQ',
        'things': 'PQ_th',
        'stuff': 'PQ_st',
    }
    reward = 'coco_panoptic/PQ'
    evaluator: Mapping[str, Any] = dict(type=ImagewisePanopticQuality.__name__)
    prefix = 'coco_panoptic/'
    scale = 1.0
    kept_as = COUNTS
    rewards_kept_as = REWARD_COUNTS

    def kept(self, metric: ImagewisePanopticQuality) -> dict[str, Any]:
        """Return what to keep of an evaluation, see :class:`Scoring`."""
        return dict(counts=metric.counts)

    def maps(self, metric: ImagewisePanopticQuality) -> dict[str, Any]:
        """Return predictions for pictures, see :class:`Scoring`."""
        return metric.maps

    def resampled(self, file: Path) -> Floats:
        """Return PQ on each draw of the images, see :class:`Scoring`."""
        with np.load(file) as kept:
            counts = kept['counts']
        return resampled_quality(counts, image_draws(len(counts), DRAWS))


class PrecisionScoring:
    """AP50 of masks, with its values on draws of the images.

    Most of CamVid's things are small, and few masks of them reach the higher
    IoUs that AP averages over.
    """

    columns: Mapping[str, str] = {
        'AP50': 'segm_mAP_50',
        'AP': 'segm_mAP',
        'box AP': 'bbox_mAP',
        'box AP50': 'bbox_mAP_50',
    }
    reward = 'coco/segm_mAP_50'
    evaluator: Mapping[str, Any] = dict(type=ResampledPrecision.__name__)
    prefix = 'coco/'
    scale = 100.0
    kept_as = DRAWN
    rewards_kept_as = REWARD_DRAWN

    def kept(self, metric: ResampledPrecision) -> dict[str, Any]:
        """Return what to keep of an evaluation, see :class:`Scoring`."""
        return dict(draws=metric.draws)

    def maps(self, metric: ResampledPrecision) -> dict[str, Any]:
        """Return no predictions."""
        return {}

    def resampled(self, file: Path) -> Floats:
        """Return AP50 on each draw of the images, see :class:`Scoring`."""
        with np.load(file) as kept:
            return self.scale * kept['draws'].astype(np.float64)


SCORINGS: dict[str, Scoring] = {
    'panoptic quality': PanopticScoring(),
    'mask AP50': PrecisionScoring(),
}
