"""Two models on the same test images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config
from mmengine.fileio import get, join_path

from mmada.datasets.coco_panoptic import (
    Annotation,
    Category,
    read_annotations,
    read_categories,
    read_json,
)
from mmada.datasets.id_maps import decode_id_map
from mmada.engine.checkpoints.latest_checkpoint import find_latest_checkpoint
from mmada.evaluation.label_map import label_categories
from mmada.visualization.panoptic_colors import Segmentation
from mmada.visualization.report.predictions import (
    Predictions,
    predict,
    truth_options,
)
from mmada.visualization.report.run_config import read_config

EXPLORED = 'explored.pth'


@dataclass(frozen=True)
class ModelPair:
    """What a baseline and ours say about the same images.

    Attributes:
        names: Of the baseline and ours.
        baseline: Its predictions.
        ours: Those of the other.
        categories: By id.
        annotations: Of the truth, by image.
        truth_folder: Of the true maps.
    """

    names: tuple[str, str]
    baseline: Predictions
    ours: Predictions
    categories: Mapping[int, Category]
    annotations: Mapping[int | str, Annotation]
    truth_folder: str

    def true_segmentation(self, image: int | str) -> Segmentation:
        """Return the truth of an image."""
        annotation = self.annotations[image]
        path = join_path(self.truth_folder, annotation.file_name)
        categories = {
            int(s['id']): int(s['category_id'])
            for s in annotation.segments_info
        }
        return Segmentation(decode_id_map(get(path)), categories)

    def predicted(
        self, model: Predictions, image: int | str, pq: float
    ) -> Segmentation:
        """Return what a model says of an image, with its quality there."""
        ids = label_categories(model.classes, self.categories)
        return Segmentation.from_labels(model.label_map(image), ids, pq)


def predict_pair(baseline: Path, ours: Path, cache: Path) -> ModelPair:
    """Evaluate two checkpoints, each with the config of its run.

    Args:
        baseline: Work directory, or a checkpoint in one.
        ours: The same of the other model.
        cache: Folder of what was evaluated before.

    Raises:
        OSError: If a checkpoint or data cannot be read.
        ValueError: If there is no checkpoint, no config, or the two have
            other test images.
    """
    found = []
    for source in (baseline, ours):
        config, checkpoint = _find_model(source)
        found.append((config, predict(config, checkpoint, cache)))
    (_, first), (config, second) = found
    if not set(first.counts) & set(second.counts):
        raise ValueError(
            f'baseline should have the test images of {ours}, {baseline} has '
            'none of them'
        )
    options = truth_options(config)
    path = options['ann_file']
    content = read_json(path, options['backend_args'])
    return ModelPair(
        (_name(baseline), _name(ours)),
        first,
        second,
        read_categories(content, path),
        read_annotations(content, path),
        options['seg_prefix'],
    )


def _name(source: Path) -> str:
    source = source.resolve()
    return source.name if source.is_dir() else f'{source.parent.name}'


def _find_model(source: Path) -> tuple[Config, Path]:
    folder = source if source.is_dir() else source.parent
    config = read_config(folder)
    if config.path is None:
        raise ValueError(
            f'{folder} should have the config that its run wrote (*.py), '
            'found none'
        )
    checkpoint = source
    if source.is_dir():
        newest = find_latest_checkpoint(source)
        checkpoint = Path(newest) if newest else source / EXPLORED
    if not checkpoint.is_file():
        raise ValueError(
            f'{source} should be a checkpoint, or a work directory with one; '
            f'found no file {checkpoint}'
        )
    return Config.fromfile(config.path), checkpoint
