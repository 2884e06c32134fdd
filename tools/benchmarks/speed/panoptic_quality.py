"""Processor time of panoptic quality, in memory and through PNG files.

The other side is mmdet's ``CocoPanopticMetric``: it writes each prediction
as a PNG, reads it and the truth again and counts pixels of pairs. It needs
panopticapi; where that is absent, the few functions that mmdet takes from it
are stood in for, its own code runs unchanged.

python tools/benchmarks/speed/panoptic_quality.py
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import io
import json
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from mmdet.evaluation.metrics import CocoPanopticMetric
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from numpy.typing import NDArray
from panopticapi_stand_in import panopticapi_for_mmdet

from mmada.datasets.coco_panoptic import id_to_rgb, write_png
from mmada.evaluation import PanopticQuality

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


def evaluate(
    metric: BaseMetric, samples: list[dict[str, Any]]
) -> tuple[float, dict[str, float]]:
    """Return milliseconds of one core per image and the metric's values."""
    metric.dataset_meta = dict(classes=CLASSES)
    # mmdet's metric overwrites the predictions.
    samples = copy.deepcopy(samples)
    start = time.process_time()
    for sample in samples:
        metric.process({}, [sample])
    values = metric.evaluate(len(samples))
    seconds = time.process_time() - start
    return 1000 * seconds / len(samples), values


def compare(
    folder: Path, samples: list[dict[str, Any]], repeats: int
) -> dict[str, float]:
    """Return the milliseconds per image of each way, the best of repeats.

    Raises:
        RuntimeError: If they do not agree on the values.
    """
    ann_file, seg_prefix = f'{folder}/gt.json', str(folder)
    times: dict[str, list[float]] = defaultdict(list)
    found = []
    for _ in range(repeats):
        with panopticapi_for_mmdet():
            with contextlib.redirect_stdout(io.StringIO()):
                png = CocoPanopticMetric(ann_file, seg_prefix)
            milliseconds, values = evaluate(png, samples)
        times['through PNG files (mmdet)'].append(milliseconds)
        found.append(values)
        memory = PanopticQuality(ann_file, seg_prefix)
        for name in ('in memory, truth read', 'in memory, truth kept'):
            milliseconds, values = evaluate(memory, samples)
            times[name].append(milliseconds)
            found.append(values)
    for values in found:
        differences = [abs(values[k] - v) for k, v in found[0].items()]
        if not max(differences) < 1e-9:
            raise RuntimeError(f'values differ: {values} and {found[0]}')
    return {name: min(values) for name, values in times.items()}


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description='Time of panoptic quality.')
    parser.add_argument('--images', type=int, default=20)
    parser.add_argument('--height', type=int, default=480)
    parser.add_argument('--width', type=int, default=640)
    parser.add_argument('--segments', type=int, default=18)
    parser.add_argument('--repeats', type=int, default=5)
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    """Print the times side by side."""
    args = parse_args(argv)
    MMLogger.get_instance('panoptic_quality', log_level='ERROR')
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    size = (args.height, args.width)
    with tempfile.TemporaryDirectory() as name:
        samples = make_data(Path(name), args.images, size, args.segments, 0)
        times = compare(Path(name), samples, args.repeats)
    print(
        f'{args.images} images of {args.width}x{args.height} pixels with '
        f'{args.segments} segments, one core, equal values'
    )
    slowest = max(times.values())
    for name, milliseconds in times.items():
        print(
            f'{name:<26} {milliseconds:7.2f} ms per image '
            f'{slowest / milliseconds:6.1f} x'
        )


if __name__ == '__main__':
    main()
