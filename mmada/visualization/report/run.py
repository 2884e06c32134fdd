"""All that a run left in its work directory, as far as it got."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmada.engine.monitor.status_file import FILE as STATUS_FILE
from mmada.visualization.history import WEIGHTS_FILE, read_records
from mmada.visualization.report.rounds import Search
from mmada.visualization.report.run_config import RunConfig, read_config
from mmada.visualization.report.search_file import read_search
from mmada.visualization.report.training_log import (
    TrainingLog,
    read_training_log,
)

FOUND_FILES = ('policy.safetensors', 'curve.json')
"""What a finished search leaves."""

_QUIET = 600.0  # seconds after which a run without checkpoints is over


@dataclass(frozen=True)
class Epochs:
    """The weights that a training used, period by period.

    Attributes:
        names: Of the n objectives.
        numbers: Of the periods, from 1.
        weights: (periods, n).
        losses: Raw losses that belong to them, (periods, n), NaN where an
            objective had none or the method does not measure.
    """

    names: tuple[str, ...]
    numbers: Sequence[int]
    weights: NDArray[np.float64]
    losses: NDArray[np.float64]


@dataclass(frozen=True)
class Run:
    """A run, finished or not.

    Attributes:
        work_dir: Its work directory.
        config: What it was asked to do.
        searches: What it searched; none in a plain training.
        epochs: Weights of its training; None if it published none.
        log: What MMEngine logged of its training.
        status: What the run said of itself last; empty if nothing.
    """

    work_dir: Path
    config: RunConfig
    searches: Sequence[Search]
    epochs: Epochs | None
    log: TrainingLog
    status: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Name of the work directory."""
        return self.work_dir.resolve().name

    @property
    def search_over(self) -> bool:
        """Whether all searches came to their end."""
        if any((self.work_dir / name).exists() for name in FOUND_FILES):
            return True
        wanted = self.config.explorations
        return len(self.searches) >= len(wanted) and all(
            search.rounds[-1].number >= search.config.get('num_rounds', 0)
            for search in self.searches
        )

    @property
    def finished(self) -> bool:
        """Whether nothing more is to come."""
        if self.status:
            return self.status.get('phase') in ('finished', 'failed')
        if not self.search_over:
            return False
        training = self.config.training
        if 'max_epochs' in training:
            last = self.epochs.numbers[-1] if self.epochs else 0
            last = max(self.log.epoch, last)
            return self._reached('epoch', training['max_epochs'], last)
        if 'max_iters' in training:
            last = self.log.iterations
            return self._reached('iter', training['max_iters'], last)
        return bool(self.config.explorations) or self._quiet

    def _reached(self, unit: str, goal: int, last: int) -> bool:
        """Tell whether the training's end was saved, or begun long ago."""
        saved = (self.work_dir / f'{unit}_{goal}.pth').exists()
        return saved or (last >= goal and self._quiet)

    @property
    def _quiet(self) -> bool:
        return time.time() - self.last_written > _QUIET

    @cached_property
    def last_written(self) -> float:
        """When the run last wrote into its work directory, 0 if never."""
        own = self.work_dir / 'report'
        times = [
            path.stat().st_mtime
            for path in self.work_dir.rglob('*')
            if own not in (path, *path.parents) and path.is_file()
        ]
        return max(times, default=0.0)


def read_run(work_dir: Path) -> Run:
    """Read a work directory.

    Args:
        work_dir: Of any run of MMEngine; what is missing is left out.

    Raises:
        ValueError: If it is no directory, or a record in it is damaged.
    """
    if not work_dir.is_dir():
        raise ValueError(
            f'work_dir should be the directory of a run, found {work_dir}'
        )
    config = read_config(work_dir)
    searches = [
        read_search(path, config.exploration(path.parent.name))
        for path in sorted(work_dir.glob('*/history.jsonl'))
    ]
    return Run(
        work_dir,
        config,
        [search for search in searches if search],
        _read_epochs(work_dir / WEIGHTS_FILE),
        read_training_log(work_dir),
        _read_status(work_dir),
    )


def _read_epochs(path: Path) -> Epochs | None:
    if not path.exists():
        return None
    records = {r['epoch']: r for _, r in read_records(path)}
    if not records:
        return None
    ordered = [records[number] for number in sorted(records)]
    names = tuple(ordered[0]['objectives'])
    missing = [np.nan] * len(names)
    return Epochs(
        names,
        sorted(records),
        np.array([r['weights'] for r in ordered], dtype=np.float64),
        np.array(
            [r.get('losses') or missing for r in ordered], dtype=np.float64
        ),
    )


def _read_status(work_dir: Path) -> dict[str, Any]:
    """Return what the newest of the searches' status files says."""
    paths = sorted(
        work_dir.glob(f'*/{STATUS_FILE}'),
        key=lambda path: path.stat().st_mtime_ns,
    )
    try:
        found = json.loads(paths[-1].read_text())
    except (IndexError, OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
