"""Annotation files of COCO's formats for the tiny images."""

from __future__ import annotations

import json

import numpy as np
from PIL import Image

from tests.support.tiny_data import CLASSES, SIZE, THINGS, TinyBoxes

_CATEGORIES = [
    dict(id=label + 1, name=name, isthing=int(label < THINGS))
    for label, name in enumerate(CLASSES)
]


def write_annotations(folder, offset, size):
    """Writes `instances.json`, `panoptic.json` and maps in `panoptic/`.

    Args:
        folder: Where to; it is there.
        offset: Of the images, see TinyBoxes.
        size: How many.
    """
    (folder / 'panoptic').mkdir()
    images, instances, panoptic = [], [], []
    dataset = TinyBoxes(size, offset)
    for index in range(size):
        sample = dataset[index]['data_samples']
        images.append(
            dict(
                id=sample.img_id,
                width=SIZE,
                height=SIZE,
                file_name=f'{sample.img_id}.png',
            )
        )
        for annotation in _instances(sample):
            instances.append(dict(annotation, id=len(instances) + 1))
        ids, segments = _panoptic(sample)
        pixels = np.stack([ids, *[np.zeros_like(ids)] * 2], axis=-1)
        Image.fromarray(pixels).save(folder / f'panoptic/{sample.img_id}.png')
        panoptic.append(
            dict(
                image_id=sample.img_id,
                file_name=f'{sample.img_id}.png',
                segments_info=segments,
            )
        )
    for name, found in (('instances', instances), ('panoptic', panoptic)):
        content = dict(
            images=images, annotations=found, categories=_CATEGORIES
        )
        (folder / f'{name}.json').write_text(json.dumps(content))


def _instances(sample):
    truth = sample.gt_instances
    for box, label in zip(truth.bboxes.tolist(), truth.labels, strict=True):
        x1, y1, x2, y2 = box
        yield dict(
            image_id=sample.img_id,
            category_id=int(label) + 1,
            bbox=[x1, y1, x2 - x1, y2 - y1],
            area=(x2 - x1) * (y2 - y1),
            segmentation=[[x1, y1, x2, y1, x2, y2, x1, y2]],
            iscrowd=0,
        )


def _panoptic(sample):
    """Returns a map of ids, the later object on top, and its segments."""
    truth = sample.gt_instances
    labels = [*truth.labels.tolist(), THINGS]
    ids = np.full((SIZE, SIZE), len(labels), dtype=np.uint8)  # the ground
    for i, mask in enumerate(truth.masks.masks):
        ids[mask > 0] = i + 1
    areas = [int((ids == i + 1).sum()) for i in range(len(labels))]
    segments = [
        dict(id=i + 1, category_id=label + 1, area=area, iscrowd=0)
        for i, (label, area) in enumerate(zip(labels, areas, strict=True))
        if area
    ]
    return ids, segments
