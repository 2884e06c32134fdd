"""Small panoptic data in the label set and the folders of a real data set."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from mmdet.datasets import ADE20KPanopticDataset, CocoPanopticDataset

from mmada.datasets.image_subset import ImageIdList, digest_ids, format_ids

SIZE = (96, 128)
KINDS = {
    kind.__name__: kind
    for kind in (ADE20KPanopticDataset, CocoPanopticDataset)
}


def write_dataset(config, num_things, num_images, seed=0):
    """Writes images, segment maps and annotations where a config wants them.

    Every image has the last thing class and the last stuff class of the label
    set, so that a detector for fewer classes would fail on it.

    Args:
        config: Of a COCO panoptic data set.
        num_things: How many of its classes are things.
        num_images: How many images to write.
        seed: Of what is drawn.
    """
    root = Path(config.data_root)
    folders = [root / config.data_prefix[key] for key in ('img', 'seg')]
    for folder in folders:
        folder.mkdir(parents=True)
    names = KINDS[config.type].METAINFO['classes']
    random = np.random.default_rng(seed)
    content = dict(
        images=[],
        annotations=[],
        categories=[
            dict(id=2 * i + 1, name=name, isthing=int(i < num_things))
            for i, name in enumerate(names)
        ],
    )
    for image_id in range(1, num_images + 1):
        _write_image(folders, image_id, content, num_things, random)
    (root / config.ann_file).write_text(json.dumps(content))


def write_held_out(config, num_listed):
    """Writes the list of an ImageSubset: the first images of its data set."""
    inner = config.dataset
    content = json.loads((Path(inner.data_root) / inner.ann_file).read_text())
    ids = [image['id'] for image in content['images']]
    held_out = ImageIdList(
        tuple(ids[:num_listed]), len(ids), digest_ids(ids), {}
    )
    Path(config.ids_file).write_text(format_ids(held_out))


def _write_image(folders, image_id, content, num_things, random):
    """Draws two kinds of stuff, half each, and three things over them."""
    height, width = SIZE
    labels = _labels(num_things, len(content['categories']), random)
    segments = np.ones(SIZE, dtype=np.uint8)
    segments[:, width // 2 :] = 2
    for i in range(3):
        h, w = random.integers(20, 41, size=2)
        y, x = random.integers(height - h), random.integers(width - w)
        segments[y : y + h, x : x + w] = i + 3
    image = random.normal(40 * segments[..., None], 10, (*SIZE, 3))
    name = f'{image_id:012d}'
    image = image.clip(0, 255).astype(np.uint8)
    cv2.imwrite(str(folders[0] / f'{name}.jpg'), image)
    ids = np.zeros((*SIZE, 3), dtype=np.uint8)
    ids[..., 2] = segments  # red, the lowest byte of an id
    cv2.imwrite(str(folders[1] / f'{name}.png'), ids)
    content['images'].append(
        dict(id=image_id, file_name=f'{name}.jpg', height=height, width=width)
    )
    content['annotations'].append(
        dict(
            image_id=image_id,
            file_name=f'{name}.png',
            segments_info=[
                _segment(segments == i + 1, i + 1, 2 * label + 1)
                for i, label in enumerate(labels)
                if (segments == i + 1).any()
            ],
        )
    )


def _labels(num_things, num_classes, random):
    """Returns two labels of stuff and three of things, with the last ones."""
    stuff = random.integers(num_things, num_classes - 1)
    things = random.integers(num_things - 1, size=2).tolist()
    return [int(stuff), num_classes - 1, *things, num_things - 1]


def _segment(mask, segment_id, category):
    y, x = np.nonzero(mask)
    box = x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1
    return dict(
        id=segment_id,
        category_id=category,
        area=int(mask.sum()),
        bbox=[int(value) for value in box],
        iscrowd=0,
    )
