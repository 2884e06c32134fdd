"""Work directories as runs leave them, small."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from mmada.evaluation.resampling import draw_images
from mmada.visualization.history import Search
from mmada.visualization.report import read_run
from tests.test_visualization.records import (
    epoch_record,
    round_record,
    write,
)

CONFIG = """
train_cfg = dict(
    type='ExploreThenTrainLoop',
    exploration=dict(
        controller=dict(type='AdaSegment', preset='stable', num_replicas=2),
        num_rounds=4,
        iters_per_round=10,
        reward_metric='coco_panoptic/PQ'),
    training=dict(type='EpochBasedTrainLoop', max_epochs=2))
"""
NOISE = [[-4.0, 0.0, 4.0], [4.0, 0.0, -4.0]]
"""Offsets whose paired difference has the standard deviation 8."""


def resampled(number: int, scale: float = 1.0) -> list[list[float]]:
    """Return the metrics of `round_record` on three resamples."""
    means = (40.0 + number, 50.0 + number)
    return [
        [mean + scale * offset for offset in row]
        for mean, row in zip(means, NOISE, strict=True)
    ]


def asl_record(number: int) -> dict[str, Any]:
    """Return a round of a search of a loss's parameters."""
    record = round_record(number, losses=[], reference=None)
    record['parameters'] = record.pop('objectives')
    record['actions'] = record.pop('weights')
    return record


def make_run(
    work_dir: Path,
    rounds: int = 4,
    epochs: int = 0,
    config: str = CONFIG,
    tail: str = '',
    **changes: Any,
) -> Path:
    """Write a run that explored and then perhaps trained."""
    work_dir.mkdir(parents=True, exist_ok=True)
    (work_dir / 'config.py').write_text(config)
    records = [round_record(i + 1, **changes) for i in range(rounds)]
    if rounds:
        write(work_dir / 'exploration' / 'history.jsonl', records, tail)
    if epochs:
        found = [epoch_record(i + 1) for i in range(epochs)]
        write(work_dir / 'weights.jsonl', found)
    return work_dir


def write_log(work_dir: Path, records: list[dict[str, Any]]) -> None:
    """Write what MMEngine logs of a training, three batches an epoch."""
    folder = work_dir / '20260101_000000'
    (folder / 'vis_data').mkdir(parents=True)
    lines = ''.join(json.dumps(record) + '\n' for record in records)
    (folder / 'vis_data' / 'scalars.json').write_text(lines)
    (folder / '20260101_000000.log').write_text(
        'INFO - Epoch(train)   [1][2/3]  lr: 1.0e-02  loss: 1.0\n'
    )


def step(iteration: int, **losses: float) -> dict[str, Any]:
    """Return a logged iteration; three make an epoch."""
    epoch = (iteration + 2) // 3
    return dict(base_lr=0.1, loss=1.0, epoch=epoch, iter=iteration, **losses)


def search_of(tmp_path: Path, *changes: dict[str, Any]) -> Search:
    """Return the search of a run whose rounds are changed like this."""
    records = [round_record(i, **c) for i, c in enumerate(changes, start=1)]
    write(tmp_path / 'exploration' / 'history.jsonl', records)
    (tmp_path / 'config.py').write_text(CONFIG)
    return read_run(tmp_path).searches[0]


def drawn(num_images: int, num_resamples: int = 100) -> list[list[float]]:
    """Return resamples of two replicas, one ten better on each image."""
    means = 7.0 ** np.arange(num_images)  # no two draws are equal
    draws = np.array(list(draw_images(num_images, num_resamples)))
    row = draws @ means / num_images
    return [row.tolist(), (row + 10).tolist()]
