"""Predictions of a checkpoint on the test data, kept for the next time."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from numpy.typing import NDArray

from mmada.datasets.id_maps import decode_id_map, id_to_rgb, write_png
from mmada.evaluation import PanopticQuality
from mmada.evaluation.matching import ImageCounts, Match
from mmada.visualization.trained_model import build_trained, quiet

COUNTS = 'counts.json'
_TRUTH = ('ann_file', 'seg_prefix', 'backend_args')


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
            with quiet():
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
        f'seg_prefix, found {found!r}'
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
