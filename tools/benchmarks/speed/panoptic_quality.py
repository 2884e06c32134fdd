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
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from hotcoco.panoptic import PanopticEval
from measure import parser, show_ratio, show_surroundings
from mmdet.evaluation.metrics import coco_panoptic_metric
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from panoptic_data import CLASSES, make_data, write_predictions

from mmada.evaluation import PanopticQuality, evaluate_folders


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
