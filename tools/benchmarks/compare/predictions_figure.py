"""Test images with the truth and what the models of two rows predict.

Reads what `compare.py` left of two rows on one problem; the images have to be
there. Those shown are spread evenly over the images whose predictions were
written, in the order of what the second row gains in PQ. Prints what it gains
on all images.

python tools/benchmarks/compare/predictions_figure.py work_dirs/compare \\
    camvid --methods ones uncertainty --out predictions.png
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
from intervals import quality
from jobs import result_job
from matplotlib.figure import Figure
from mmengine.config import Config
from problems import WITH_COUNTS, Problem, base_config
from results import COUNTS, MAPS, job_folder
from selection import select, select_methods, tool_parser

from mmada.visualization import (
    PanelRow,
    Segmentation,
    panoptic_panel,
    save_figure,
)


def predictions_figure(
    problem: Problem,
    names: Sequence[str],
    seed: int,
    work_dir: Path,
    shown: int,
) -> Figure:
    """Draw some test images, their truth and two predictions.

    Args:
        problem: The problem.
        names: Of two methods.
        seed: Of their trainings.
        work_dir: Directory of the benchmark.
        shown: How many images.
    """
    cfg = base_config(problem, work_dir, seed)
    file = json.loads(Path(cfg.test_evaluator.ann_file).read_text())
    names_by_id = {c['id']: c['name'] for c in file['categories']}
    folders = [
        job_folder(work_dir, result_job(problem, method, seed).key)
        for method in select_methods(names)
    ]
    ids = sorted(a['image_id'] for a in file['annotations'])
    gains = gains_of_images(folders, ids)
    above = np.array(list(gains.values())) > 0
    print(
        f'gain in PQ of {len(ids)} images: median '
        f'{np.median(list(gains.values())):.1f}, above 0 on {above.mean():.0%}'
    )
    with np.load(folders[0] / MAPS) as stored:
        kept = [i for i in ids if str(i) in stored]
    chosen = spread(sorted(kept, key=gains.__getitem__), shown)
    annotations = {a['image_id']: a for a in file['annotations']}
    rows = [
        PanelRow(
            read_image(cfg, file, image_id),
            true_segmentation(cfg, annotations[image_id]),
            *(
                prediction(folder, image_id, ids, list(names_by_id))
                for folder in folders
            ),
        )
        for image_id in chosen
    ]
    return panoptic_panel(rows, names_by_id, ('image', 'truth', *names))


def gains_of_images(
    folders: Sequence[Path], ids: Sequence[int]
) -> dict[int, float]:
    """Return what the second training gains in PQ on each test image.

    Args:
        folders: Of the two trainings.
        ids: Of all test images, as they were counted.
    """
    scores = []
    for folder in folders:
        with np.load(folder / COUNTS) as counted:
            scores.append([float(quality(c)) for c in counted['counts']])
    return dict(zip(ids, np.subtract(scores[1], scores[0]), strict=True))


def spread(images: Sequence[int], shown: int) -> list[int]:
    """Return images in equal steps through the order that they have."""
    shown = min(shown, len(images))
    return [images[int((k + 0.5) * len(images) / shown)] for k in range(shown)]


def read_image(cfg: Config, file: dict[str, Any], image_id: int) -> np.ndarray:
    """Read a test image in RGB."""
    (entry,) = (i for i in file['images'] if i['id'] == image_id)
    dataset = cfg.test_dataloader.dataset
    folder = Path(dataset.data_root) / dataset.data_prefix.img
    return mmcv.imread(folder / entry['file_name'], channel_order='rgb')


def true_segmentation(cfg: Config, annotation: dict[str, Any]) -> Segmentation:
    """Read the truth of a test image."""
    path = Path(cfg.test_evaluator.seg_prefix) / annotation['file_name']
    return Segmentation.from_file(
        path.read_bytes(), annotation['segments_info']
    )


def prediction(
    folder: Path,
    image_id: int,
    ids: Sequence[int],
    categories: Sequence[int],
) -> Segmentation:
    """Read what a model predicts of an image, with its PQ there."""
    with np.load(folder / MAPS) as stored, np.load(folder / COUNTS) as counted:
        counts = counted['counts'][ids.index(image_id)]
        return Segmentation.from_labels(
            stored[str(image_id)], categories, float(quality(counts))
        )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = tool_parser(__doc__, 'problem')
    parser.add_argument('--methods', nargs=2, required=True)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--images', type=int, default=3)
    parser.add_argument('--out', type=Path, required=True)
    args = parser.parse_args(arguments)
    (problem,) = select('problem', [args.problem], WITH_COUNTS).values()
    figure = predictions_figure(
        problem, args.methods, args.seed, args.work_dir, args.images
    )
    save_figure(figure, args.out, dpi=80)


if __name__ == '__main__':
    main()
