"""Losses and metrics that MMEngine logged of an ordinary training."""

from __future__ import annotations

import json
import re
import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Curve = dict[int, float]
"""Value by epoch or step."""

_WEIGHTED = 'weighted/'
_EPOCH = re.compile(r'Epoch\(train\)\s*\[\d+\]\[\s*\d+/(\d+)\]')


@dataclass(frozen=True)
class TrainingLog:
    """What was logged.

    Attributes:
        raw: Mean raw losses by name and epoch.
        weighted: The same after weighting; empty if not logged.
        metrics: Validation metrics by key and step.
        epoch: Last epoch, 0 if none was logged.
        iterations: Last iteration, 0 if none was logged.
        epoch_length: Iterations of an epoch; None if not known.
    """

    raw: Mapping[str, Curve]
    weighted: Mapping[str, Curve]
    metrics: Mapping[str, Curve]
    epoch: int
    iterations: int
    epoch_length: int | None


def read_training_log(work_dir: Path) -> TrainingLog:
    """Read ``*/vis_data/scalars.json`` of all starts of a run.

    Of an iteration that was logged twice, after a resume, the later record
    counts. Lines that are cut or no record are left out.
    """
    steps: dict[int, dict[str, Any]] = {}
    metrics: dict[str, Curve] = defaultdict(dict)
    for record in _records(work_dir):
        if 'base_lr' in record and 'iter' in record:
            steps[int(record['iter'])] = record
        elif 'time' in record and 'step' in record:
            for key, value in record.items():
                if '/' in key:
                    metrics[key][int(record['step'])] = float(value)
    length = _epoch_length(work_dir)
    losses = {key for step in steps.values() for key in step if _is_loss(key)}
    curves = {key: _by_epoch(steps, key) for key in sorted(losses)}
    return TrainingLog(
        {k: v for k, v in curves.items() if not k.startswith(_WEIGHTED)},
        {
            k.removeprefix(_WEIGHTED): v
            for k, v in curves.items()
            if k.startswith(_WEIGHTED)
        },
        dict(metrics),
        max((int(s.get('epoch', 0)) for s in steps.values()), default=0),
        max(
            max(steps, default=0),
            _saved(work_dir, 'iter'),
            _saved(work_dir, 'epoch') * (length or 0),
        ),
        length,
    )


def _records(work_dir: Path) -> Iterator[dict[str, Any]]:
    for path in sorted(work_dir.glob('*/vis_data/scalars.json')):
        for line in path.read_text(errors='replace').splitlines():
            try:
                record = json.loads(line)
            except ValueError:  # cut off by a kill
                continue
            if isinstance(record, dict):
                yield record


def _is_loss(key: str) -> bool:
    name = key.removeprefix(_WEIGHTED).rpartition('.')[2]
    return name.startswith('loss_')


def _by_epoch(steps: Mapping[int, Mapping[str, Any]], key: str) -> Curve:
    values: dict[int, list[float]] = defaultdict(list)
    for step in steps.values():
        if key in step:
            values[int(step.get('epoch', 1))].append(float(step[key]))
    return {epoch: statistics.fmean(v) for epoch, v in sorted(values.items())}


def _epoch_length(work_dir: Path) -> int | None:
    """Return the iterations of an epoch, as the newest log prints them."""
    for path in sorted(work_dir.glob('*/*.log'), reverse=True):
        found = _EPOCH.search(path.read_text(errors='replace'))
        if found:
            return int(found[1])
    return None


def _saved(work_dir: Path, kind: str) -> int:
    """Return the number of the last checkpoint of a kind, 0 if none."""
    paths = work_dir.glob(f'{kind}_*.pth')
    numbers = [path.stem.partition('_')[2] for path in paths]
    return max((int(n) for n in numbers if n.isdigit()), default=0)
