"""Amounts of each class, true and predicted, of predictions by hand."""

from __future__ import annotations

import numpy as np
import torch
from mmengine.structures import BaseDataElement, InstanceData, PixelData

from mmada.datasets.coco_panoptic import id_to_rgb, write_png
from mmada.diagnostics.reward.class_amounts import AmountCounter

CLASSES = ('cat', 'sky', 'sea')
VOID = len(CLASSES)


class Predictor:
    """A model whose predictions are given."""

    def __init__(self, samples):
        self.samples = samples
        self.training = True

    def eval(self):
        self.training = False

    def val_step(self, batch):
        return [self.samples[k] for k in batch]


class Annotations:
    """Data set of the truth that is given by image id."""

    def __init__(self, infos):
        self.metainfo = dict(classes=CLASSES, thing_classes=CLASSES[:1])
        self.infos = infos

    def __len__(self):
        return len(self.infos)

    def get_data_info(self, index):
        return self.infos[index]


def panoptic(image_id, labels):
    sample = BaseDataElement(metainfo=dict(img_id=image_id))
    sem_seg = torch.tensor(labels)[None]
    sample.set_field(PixelData(sem_seg=sem_seg), 'pred_panoptic_seg')
    return sample


def annotation(folder, image_id, labels):
    """One segment a class, in a map whose ids are label + 1."""
    path = folder / f'{image_id}.png'
    write_png(path, id_to_rgb(np.array(labels) + 1))
    used = sorted({v for row in labels for v in row} - {-1})
    return dict(
        img_id=image_id,
        seg_map_path=str(path),
        segments_info=[dict(id=v + 1, category=v) for v in used],
    )


def count(samples, dataset, batches):
    model = Predictor(samples)
    counter = AmountCounter(model, dataset)
    counter.eval()
    for batch in batches:
        assert counter.val_step(batch) == [samples[k] for k in batch]
    assert not model.training
    return counter.amounts()


def test_pixels_by_true_and_predicted_class(tmp_path):
    truth = [
        annotation(tmp_path, 7, [[0, 0, 1, 1], [2, 2, -1, -1]]),
        annotation(tmp_path, 8, [[1, 1]]),
    ]
    # Two cats, of labels 1000 and 2000; void where the sea is.
    samples = [
        panoptic(8, [[1, 2]]),
        panoptic(7, [[1000, 2000, 1, 2], [VOID, VOID, 0, VOID]]),
    ]
    amounts = count(samples, Annotations(truth), [[0], [1]])
    expected = np.zeros((4, 4), dtype=int)
    expected[0, 0] = 2
    expected[1, 1] = expected[1, 2] = 2
    expected[2, VOID] = 2
    expected[VOID, 0] = expected[VOID, VOID] = 1
    assert amounts.shared.tolist() == expected.tolist()
    assert amounts.truth.tolist() == [2, 4, 2, 2]
    assert amounts.predicted.tolist() == [3, 2, 2, 3]
    assert (amounts.images, amounts.with_things) == (2, 1)
    assert (amounts.num_things, amounts.unit) == (1, 'pixels')


def test_images_without_annotation_are_void(tmp_path):
    samples = [panoptic(7, [[1, 2]])]
    dataset = Annotations([dict(img_id=7, seg_map_path=None)])
    amounts = count(samples, dataset, [[0]])
    assert amounts.truth.tolist() == [0, 0, 0, 2]
    assert amounts.predicted.tolist() == [0, 1, 1, 0]


def test_labels_of_maps_by_true_and_predicted_class():
    sample = BaseDataElement(metainfo=dict(img_id=7))
    truth = torch.tensor([[[0, 1, 1, 255]]], dtype=torch.uint8)
    sample.set_field(PixelData(data=truth), 'gt_sem_seg')
    predicted = torch.tensor([[[0, 1, 2, 2]]])
    sample.set_field(PixelData(data=predicted), 'pred_sem_seg')
    dataset = Annotations([])
    dataset.metainfo = dict(classes=CLASSES)
    amounts = count([sample], dataset, [[0]])
    assert (amounts.measure, amounts.unit) == ('IoU', 'pixels')
    assert amounts.truth.tolist() == [1, 2, 0, 1]
    assert amounts.predicted.tolist() == [1, 1, 2, 0]
    assert amounts.shared[1].tolist() == [0, 1, 1, 0]
    assert amounts.images == 1


def test_boxes_by_class():
    sample = BaseDataElement(metainfo=dict(img_id=7))
    labels = torch.tensor([0, 2, 2])
    sample.set_field(InstanceData(labels=labels), 'pred_instances')
    instances = [
        dict(bbox_label=0, ignore_flag=0),
        dict(bbox_label=1, ignore_flag=1),
    ]
    dataset = Annotations([dict(img_id=7, instances=instances)])
    dataset.metainfo = dict(classes=CLASSES)
    amounts = count([sample], dataset, [[0]])
    assert amounts.unit == 'boxes'
    assert amounts.truth.tolist() == [1, 0, 0, 0]
    assert amounts.predicted.tolist() == [1, 0, 2, 0]
    assert (amounts.num_things, amounts.with_things) == (3, 1)


def test_other_predictions_are_passed_on_uncounted():
    assert count([dict(error=1.0)], Annotations([]), [[0]]) is None
    without_classes = Annotations([])
    without_classes.metainfo = {}
    assert count([panoptic(7, [[1]])], without_classes, [[0]]) is None
