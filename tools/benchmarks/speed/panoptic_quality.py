"""Processor time of panoptic quality, in memory and through files.

Three evaluators of the same predictions, which have to agree:

- ``PanopticQuality`` in memory, and ``evaluate_folders`` of files that are
  there;
- hotcoco (requirements/tests.txt), which reads files: predictions have to be
  written for it first;
- mmdet's ``CocoPanopticMetric``, which writes each prediction as a PNG file,
  reads it and the truth again and counts pixels of pairs. It needs
  panopticapi and is left out where that is not installed.

python tools/benchmarks/speed/panoptic_quality.py
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from hotcoco.panoptic import PanopticEval
from measure import parser, show_ratio, show_surroundings
from mmdet.evaluation.metrics import coco_panoptic_metric
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from numpy.typing import NDArray

from mmada.commands.command_line import ends_with_reader
from mmada.datasets.coco_panoptic import id_to_rgb, write_png
from mmada.evaluation import PanopticQuality, evaluate_folders
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


def evaluate(
    metric: BaseMetric, samples: list[dict[str, Any]]
) -> dict[str, float]:
    """Evaluate predictions in memory with a metric of mmengine."""
    metric.dataset_meta = dict(classes=CLASSES)
    for sample in samples:
        metric.process({}, [sample])
    values = metric.evaluate(len(samples))
    return {key.split('/')[1]: value for key, value in values.items()}


def evaluate_files(folder: Path) -> dict[str, float]:
    """Evaluate files with mmada."""
    report = evaluate_folders(
        f'{folder}/gt.json',
        str(folder),
        f'{folder}/pred.json',
        f'{folder}/pred',
    )
    groups = {k: quality._asdict() for k, quality in report.groups.items()}
    return coco_panoptic_metric.parse_pq_results(groups)


def evaluate_files_with_hotcoco(folder: Path) -> dict[str, float]:
    """Evaluate files with hotcoco."""
    evaluator = PanopticEval(
        folder / 'gt.json', folder / 'pred.json', gt_folder=folder
    )
    evaluator.evaluate()
    return coco_panoptic_metric.parse_pq_results(evaluator.results())


def evaluate_with_mmdet(
    folder: Path, samples: list[dict[str, Any]]
) -> dict[str, float]:
    """Evaluate predictions with mmdet's metric, which overwrites them."""
    with contextlib.redirect_stdout(io.StringIO()):
        metric = coco_panoptic_metric.CocoPanopticMetric(
            f'{folder}/gt.json', str(folder)
        )
    return evaluate(metric, samples)


def ways(
    folder: Path, samples: list[dict[str, Any]]
) -> dict[str, Callable[[], dict[str, float] | None]]:
    """Return what is timed, in order: evaluations, and writing files."""
    metrics: list[PanopticQuality] = []

    def read_truth() -> dict[str, float]:
        metrics.append(PanopticQuality(f'{folder}/gt.json', str(folder)))
        return evaluate(metrics[0], samples)

    found: dict[str, Callable[[], dict[str, float] | None]] = {
        'files written': lambda: write_predictions(folder, samples),
        'files, hotcoco': lambda: evaluate_files_with_hotcoco(folder),
        'files, ours': lambda: evaluate_files(folder),
        'in memory, truth read': read_truth,
        'in memory, truth kept': lambda: evaluate(metrics[0], samples),
    }
    if coco_panoptic_metric.panopticapi is not None:
        copies = copy.deepcopy(samples)
        found['mmdet with panopticapi'] = lambda: evaluate_with_mmdet(
            folder, copies
        )
    return found


def compare(
    folder: Path, samples: list[dict[str, Any]], repeats: int
) -> dict[str, list[float]]:
    """Return the milliseconds per image of each way, one for each repeat.

    Raises:
        RuntimeError: If they do not agree on the values.
    """
    times: dict[str, list[float]] = defaultdict(list)
    found = []
    for _ in range(repeats):
        for name, way in ways(folder, samples).items():
            start = time.process_time()
            values = way()
            seconds = time.process_time() - start
            times[name].append(1000 * seconds / len(samples))
            if values is not None:
                found.append(values)
    for values in found:
        differences = [abs(values[k] - v) for k, v in found[0].items()]
        if not max(differences) < 1e-9:
            raise RuntimeError(f'values differ: {values} and {found[0]}')
    return dict(times)


def show_ratios(times: dict[str, list[float]]) -> None:
    """Print the ratios of what does the same work."""
    hotcoco, ours = times['files, hotcoco'], times['files, ours']
    show_ratio('hotcoco / ours, files', hotcoco, ours)
    both = [sum(t) for t in zip(times['files written'], hotcoco, strict=True)]
    through_files = {'files written and hotcoco': both}
    if (name := 'mmdet with panopticapi') in times:
        through_files[name] = times[name]
    for name, milliseconds in through_files.items():
        for memory in ('in memory, truth read', 'in memory, truth kept'):
            show_ratio(f'{name} / {memory}', milliseconds, times[memory])


@ends_with_reader()
def main(argv: list[str] | None = None) -> None:
    """Print the times side by side."""
    options = parser(__doc__, repeats=5)
    options.add_argument('--images', type=int, default=20)
    options.add_argument('--height', type=int, default=480)
    options.add_argument('--width', type=int, default=640)
    options.add_argument('--segments', type=int, default=18)
    args = options.parse_args(argv)
    if args.quick:
        args.images, args.repeats = 2, 2
    MMLogger.get_instance('panoptic_quality', log_level='ERROR')
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    os.environ['RAYON_NUM_THREADS'] = '1'  # hotcoco's
    size = (args.height, args.width)
    show_surroundings(
        f'Panoptic quality of {args.images} images of {args.width}x'
        f'{args.height} pixels with {args.segments} segments, processor time'
    )
    with tempfile.TemporaryDirectory() as name:
        samples = make_data(Path(name), args.images, size, args.segments, 0)
        times = compare(Path(name), samples, args.repeats)
    for way, milliseconds in times.items():
        median = float(np.median(milliseconds))
        print(f'{way:<26} {median:7.2f} ms per image')
    show_ratios(times)


if __name__ == '__main__':
    main()
