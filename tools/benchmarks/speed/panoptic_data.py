"""Segment maps and predictions to time panoptic quality with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from mmada.datasets.coco_panoptic import id_to_rgb, write_png
from mmada.evaluation.submission import to_segments

NUM_THINGS, NUM_STUFF = 8, 5
CLASSES = tuple(f'class{k}' for k in range(NUM_THINGS + NUM_STUFF))


def _blobs(
    rng: np.random.Generator, size: tuple[int, int], count: int
) -> NDArray[np.int64]:
    """Divide an image into ``count`` regions with ragged borders."""
    rows = np.arange(size[0])[:, None] + rng.normal(0, 1, size)
    cols = np.arange(size[1]) + rng.normal(0, 1, size)
    centers = rng.random((count, 2)) * size
    distances = [(rows - y) ** 2 + (cols - x) ** 2 for y, x in centers]
    return np.argmin(distances, axis=0)


class Shapes(NamedTuple):
    """Segments of one image: a number for each pixel, a class for each."""

    regions: NDArray[np.int64]
    classes: NDArray[np.int64]


def draw_shapes(
    rng: np.random.Generator, size: tuple[int, int], segments: int
) -> Shapes:
    """Draw segments, the last ones of stuff."""
    number = np.arange(segments)
    stuff = number - (segments - NUM_STUFF)
    classes = np.where(stuff < 0, number % NUM_THINGS, NUM_THINGS + stuff)
    return Shapes(_blobs(rng, size, segments), classes)


def write_truth(path: Path, shapes: Shapes, ids: NDArray[np.int64]) -> dict:
    """Write a segment map and return its annotation; segment 0 is a crowd."""
    write_png(path, id_to_rgb(ids[shapes.regions]))
    areas = np.bincount(shapes.regions.ravel(), minlength=len(ids))
    segments_info = [
        dict(
            id=int(ids[k]),
            category_id=int(shapes.classes[k]) + 1,
            area=int(areas[k]),
            iscrowd=int(k == 0),
        )
        for k in range(len(ids))
    ]
    return dict(
        image_id=int(path.stem),
        file_name=path.name,
        segments_info=segments_info,
    )


def predict(image_id: int, shapes: Shapes) -> dict[str, Any]:
    """Return the data sample of a detector that is a little off."""
    things = shapes.classes < NUM_THINGS
    instances = np.where(things, 1 + np.arange(len(things)), 0)
    labels = (shapes.classes + 1000 * instances)[shapes.regions]
    labels = np.roll(labels, (5, 9), axis=(0, 1))
    labels[: len(labels) // 12] = len(CLASSES)
    return dict(
        img_id=image_id,
        img_path=f'{image_id}.jpg',
        ori_shape=labels.shape,
        pred_panoptic_seg=dict(
            sem_seg=torch.from_numpy(labels.astype(np.int32))[None]
        ),
    )


def make_data(
    folder: Path, images: int, size: tuple[int, int], segments: int, seed: int
) -> list[dict[str, Any]]:
    """Write the truth and return predictions.

    Args:
        folder: Gets ``gt.json`` and the segment maps.
        images: Number of images.
        size: Height and width in pixels.
        segments: Segments of each image.
        seed: Seed of the shapes.

    Returns:
        One data sample for each image.
    """
    rng = np.random.default_rng(seed)
    content: dict[str, Any] = dict(images=[], annotations=[])
    samples = []
    for image_id in range(images):
        shapes = draw_shapes(rng, size, segments)
        ids = 1 + rng.choice(256**3 - 1, segments, replace=False)
        path = folder / f'{image_id}.png'
        content['annotations'].append(write_truth(path, shapes, ids))
        content['images'].append(
            dict(
                id=image_id,
                file_name=f'{image_id}.jpg',
                height=size[0],
                width=size[1],
            )
        )
        samples.append(predict(image_id, shapes))
    content['categories'] = [
        dict(id=k + 1, name=name, isthing=int(k < NUM_THINGS))
        for k, name in enumerate(CLASSES)
    ]
    (folder / 'gt.json').write_text(json.dumps(content))
    return samples


def write_predictions(folder: Path, samples: list[dict[str, Any]]) -> None:
    """Write ``pred.json`` and a folder ``pred`` of segment maps."""
    (folder / 'pred').mkdir(exist_ok=True)
    ids = range(1, len(CLASSES) + 1)
    annotations = []
    for sample in samples:
        labels = sample['pred_panoptic_seg']['sem_seg'][0].numpy()
        segments, segments_info = to_segments(labels, ids, len(CLASSES))
        name = f'{sample["img_id"]}.png'
        write_png(folder / 'pred' / name, id_to_rgb(segments))
        annotations.append(
            dict(
                image_id=sample['img_id'],
                file_name=name,
                segments_info=segments_info,
            )
        )
    content = json.dumps(dict(annotations=annotations))
    (folder / 'pred.json').write_text(content)
