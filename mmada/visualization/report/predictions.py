"""Predictions of two models on the same test images.

They are kept for the next time; a model is built without a runner.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.fileio import get, join_path
from mmengine.registry import MODELS, init_default_scope
from mmengine.runner import Runner, load_checkpoint
from numpy.typing import NDArray

from mmada.datasets.coco_panoptic import (
    Annotation,
    Category,
    decode_id_map,
    id_to_rgb,
    read_annotations,
    read_categories,
    read_json,
    write_png,
)
from mmada.engine.checkpoints import find_latest_checkpoint
from mmada.engine.quiet import quiet
from mmada.evaluation import PanopticQuality
from mmada.evaluation.coco_truth import label_categories
from mmada.evaluation.matching import ImageCounts, Match
from mmada.utils.run_files import EXPLORED_FILE
from mmada.visualization.panoptic_panel import Segmentation
from mmada.visualization.report.run import read_config

COUNTS = 'counts.json'
_TRUTH = ('ann_file', 'seg_prefix', 'backend_args')


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
        return Segmentation.from_file(get(path), annotation.segments_info)

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
            f'`baseline` should have the test images of {ours}. Found none of '
            f'them in {baseline}.'
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
            f'{folder} should have the config that its run wrote (*.py). '
            'Found none.'
        )
    checkpoint = source
    if source.is_dir():
        newest = find_latest_checkpoint(source)
        checkpoint = Path(newest) if newest else source / EXPLORED_FILE
    if not checkpoint.is_file():
        raise ValueError(
            f'{source} should be a checkpoint, or a work directory with one. '
            f'Found no file {checkpoint}.'
        )
    return Config.fromfile(config.path), checkpoint


@dataclass(frozen=True)
class Predictions:
    """What a checkpoint predicts.

    Attributes:
        folder: Where the maps are.
        counts: Matches and errors by image.
        files: Path of each image.
        classes: Names of the data set's classes, in the order of labels.
    """

    folder: Path
    counts: dict[int | str, ImageCounts]
    files: dict[int | str, str]
    classes: list[str]

    def label_map(self, image: int | str) -> NDArray[np.int32]:
        """Return class + 1000 x instance of each pixel."""
        number = list(self.counts).index(image)
        return decode_id_map((self.folder / f'{number}.png').read_bytes())


def predict(config: Config, checkpoint: Path, cache: Path) -> Predictions:
    """Evaluate a checkpoint on the config's test data, or read the cache.

    Args:
        config: Of the run that wrote the checkpoint.
        checkpoint: The file.
        cache: Folder of what was evaluated before.

    Raises:
        OSError: If the checkpoint or data cannot be read.
        ValueError: If the config has no panoptic test data.
    """
    folder = cache / _fingerprint(config, checkpoint)
    if not (folder / COUNTS).exists():
        cache.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix='partial-', dir=cache))
        try:
            with quiet(logging.ERROR):
                _evaluate(config, checkpoint, partial)
            os.replace(partial, folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return _read(folder)


def truth_options(config: Config) -> dict[str, Any]:
    """Return where the truth of the config's test data is.

    Raises:
        ValueError: If the config evaluates no panoptic segmentation.
    """
    found = config.get('test_evaluator') or {}
    for metric in found if isinstance(found, (list, tuple)) else [found]:
        if metric.get('ann_file') and metric.get('seg_prefix'):
            return {key: metric.get(key) for key in _TRUTH}
    raise ValueError(
        '`test_evaluator` should have a panoptic metric with ann_file and '
        'seg_prefix, since test images are compared by PQ. Other runs are '
        f'compared by `--compare` instead of `--baseline`. Found {found!r}.'
    )


def _fingerprint(config: Config, checkpoint: Path) -> str:
    state = checkpoint.stat()
    parts = (
        str(checkpoint.resolve()),
        str(state.st_size),
        str(state.st_mtime_ns),
        str(config.get('model')),
        str(config.get('test_dataloader')),
        str(config.get('test_evaluator')),
    )
    return hashlib.sha256('\n'.join(parts).encode()).hexdigest()[:16]


@torch.no_grad()
def _evaluate(config: Config, checkpoint: Path, folder: Path) -> None:
    metric = PanopticQuality(**truth_options(config))
    network = build_trained(config, checkpoint)
    loader = Runner.build_dataloader(config.test_dataloader, seed=0)
    metric.dataset_meta = loader.dataset.metainfo
    files: dict[int | str, str] = {}
    for batch in loader:
        for sample in network.val_step(batch):
            if sample.img_id in files:  # samplers repeat some
                continue
            metric.process(batch, [sample.to_dict()])
            _write_map(folder / f'{len(files)}.png', sample)
            files[sample.img_id] = str(sample.img_path)
    content = dict(
        counts=metric.results,
        files=list(files.items()),
        classes=list(metric.dataset_meta['classes']),
    )
    (folder / COUNTS).write_text(json.dumps(content))


def _write_map(path: Path, sample: Any) -> None:
    ids = sample.pred_panoptic_seg.sem_seg[0].cpu().numpy()
    write_png(path, id_to_rgb(ids.astype(np.int64)))


def _read(folder: Path) -> Predictions:
    content = json.loads((folder / COUNTS).read_text())
    counts = {
        image: ImageCounts(
            image,
            tuple(Match(*match) for match in matches),
            tuple(wrong),
            tuple(missed),
        )
        for image, matches, wrong, missed in content['counts']
    }
    return Predictions(
        folder, counts, dict(content['files']), content['classes']
    )


def build_trained(config: Config, checkpoint: Path) -> Any:
    """Return the config's model with a checkpoint, ready to predict.

    Args:
        config: Of the run that wrote the checkpoint; its model loses what
            it would be initialised from.
        checkpoint: The file.
    """
    init_default_scope(config.get('default_scope', 'mmdet'))
    config.model.init_cfg = None
    network = MODELS.build(config.model).to(get_device())
    load_checkpoint(network, str(checkpoint), map_location='cpu')
    return network.eval()
