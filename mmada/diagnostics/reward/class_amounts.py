"""How much of each class a model predicts, against the truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from mmengine.structures import BaseDataElement
from numpy.typing import NDArray

from mmada.datasets import LoadPanopticAnnotations
from mmada.evaluation.coco_truth import INSTANCE_OFFSET
from mmada.evaluation.segmentation_quality import label_map

Counts = NDArray[np.int64]


class ClassAmounts(NamedTuple):
    """Amounts over a data set; the entry behind the classes is void.

    Attributes:
        classes: Names in the order of the labels.
        num_things: How many classes, the first, are things.
        measure: Quality of a class, 'PQ', 'AP' or 'IoU'.
        truth: Amount of each class in the truth.
        predicted: Amount of each class in the predictions.
        shared: Pixels by true and predicted class, zeros for boxes.
        images: Number of images.
        with_things: Number of images with a predicted thing.
    """

    classes: tuple[str, ...]
    num_things: int
    measure: str
    truth: Counts
    predicted: Counts
    shared: Counts
    images: int
    with_things: int

    @property
    def unit(self) -> str:
        """What is counted."""
        return 'boxes' if self.measure == 'AP' else 'pixels'


class AmountCounter:
    """Counts what a model predicts while it is evaluated.

    Stands in for the model: the evaluation sees the very same outputs.

    Args:
        model: The model.
        dataset: What it is evaluated on; without classes nothing is
            counted.
    """

    def __init__(self, model: Any, dataset: Any) -> None:
        self._model = model
        self._dataset = dataset
        info = getattr(dataset, 'metainfo', None) or {}
        self._classes = tuple(info.get('classes', ()))
        self._num_things = len(info.get('thing_classes', self._classes))
        size = len(self._classes) + 1
        self._shared = np.zeros((size, size), dtype=np.int64)
        self._boxes = np.zeros((2, size), dtype=np.int64)
        self._measures: set[str] = set()
        self._images = self._with_things = 0
        self._load = LoadPanopticAnnotations(
            with_bbox=False, with_label=False, with_mask=False
        )
        self._index: dict[Any, int] | None = None

    def eval(self) -> None:
        """Set the model to evaluation."""
        self._model.eval()

    def val_step(self, batch: Any) -> Any:
        """Predict a batch and count."""
        outputs = self._model.val_step(batch)
        if self._classes:
            for sample in outputs:
                self._count(
                    sample.to_dict()
                    if isinstance(sample, BaseDataElement)
                    else sample
                )
        return outputs

    def amounts(self) -> ClassAmounts | None:
        """Return the counts; None if nothing could be counted."""
        if len(self._measures) != 1:
            return None
        (measure,) = self._measures
        boxes = measure == 'AP'
        return ClassAmounts(
            self._classes,
            self._num_things,
            measure,
            self._boxes[0] if boxes else self._shared.sum(1),
            self._boxes[1] if boxes else self._shared.sum(0),
            self._shared,
            self._images,
            self._with_things,
        )

    def _count(self, sample: Mapping[str, Any]) -> None:
        if 'pred_panoptic_seg' in sample:
            self._measures.add('PQ')
            ids = sample['pred_panoptic_seg']['sem_seg'][0].cpu().numpy()
            truth = self._true_map(sample['img_id'], ids.shape)
            self._count_pixels(truth, ids % INSTANCE_OFFSET)
        elif 'pred_instances' in sample:
            self._measures.add('AP')
            self._count_boxes(sample)
        elif 'pred_sem_seg' in sample and 'gt_sem_seg' in sample:
            self._measures.add('IoU')
            self._count_pixels(
                label_map(sample, 'gt_sem_seg').cpu().numpy(),
                label_map(sample, 'pred_sem_seg').cpu().numpy(),
            )

    def _count_pixels(self, truth: Counts, predicted: Counts) -> None:
        """Count the labels of an image; unknown ones are void."""
        void = len(self._classes)
        truth, predicted = np.minimum(truth, void), np.minimum(predicted, void)
        size = void + 1
        pairs = truth.astype(np.int64) * size + predicted
        self._shared += np.bincount(
            pairs.ravel(), minlength=size * size
        ).reshape(size, size)
        self._images += 1
        self._with_things += bool((predicted < self._num_things).any())

    def _count_boxes(self, sample: Mapping[str, Any]) -> None:
        size = len(self._classes) + 1
        labels = sample['pred_instances']['labels'].cpu().numpy()
        self._boxes[1] += np.bincount(labels, minlength=size)[:size]
        for instance in self._info(sample['img_id']).get('instances', ()):
            if not instance.get('ignore_flag'):
                self._boxes[0, instance['bbox_label']] += 1
        self._images += 1
        self._with_things += bool(len(labels))

    def _true_map(self, image_id: Any, shape: tuple[int, ...]) -> Counts:
        """Return the true labels; all void if there is no annotation."""
        info = self._info(image_id)
        if not info.get('seg_map_path'):
            return np.full(shape, len(self._classes), dtype=np.int64)
        loaded: Counts = self._load(dict(info, ori_shape=shape))['gt_seg_map']
        return loaded

    def _info(self, image_id: Any) -> Mapping[str, Any]:
        if not hasattr(self._dataset, 'get_data_info'):
            return {}
        if self._index is None:
            self._index = {
                self._dataset.get_data_info(i).get('img_id'): i
                for i in range(len(self._dataset))
            }
        index = self._index.get(image_id)
        return {} if index is None else self._dataset.get_data_info(index)
