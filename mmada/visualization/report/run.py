"""All that a run left in its work directory, as far as it got.

Its records, the config that it wrote, and what MMEngine logged of an
ordinary training.
"""

from __future__ import annotations

import json
import math
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmada.utils.measurements import known_metric
from mmada.utils.run_files import (
    CURVE_FILE,
    EXPLORATION_DIR,
    HISTORY_FILE,
    POLICY_FILE,
    STATUS_FILE,
    WEIGHTS_FILE,
    search_directories,
)
from mmada.visualization.history import (
    Epochs,
    Search,
    read_epochs,
    read_search,
)

RESULT_FILES = (POLICY_FILE, CURVE_FILE)
"""What a finished search leaves."""

_IDLE = 600.0  # seconds after which a run without checkpoints is over


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
        if any((self.work_dir / name).exists() for name in RESULT_FILES):
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
        return bool(self.config.explorations) or self._is_idle

    def _reached(self, unit: str, goal: int, last: int) -> bool:
        """Return whether the training's end was saved, or begun long ago."""
        saved = (self.work_dir / f'{unit}_{goal}.pth').exists()
        return saved or (last >= goal and self._is_idle)

    @property
    def _is_idle(self) -> bool:
        return time.time() - self.last_written > _IDLE

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
            f'`work_dir` should be the directory of a run. Found {work_dir}.'
        )
    config = read_config(work_dir)
    searches = [
        read_search(
            path,
            config.exploration(path.parent.relative_to(work_dir).as_posix()),
        )
        for path in _histories(work_dir)
    ]
    return Run(
        work_dir,
        config,
        [search for search in searches if search],
        read_epochs(work_dir / WEIGHTS_FILE),
        read_training_log(work_dir),
        _read_status(work_dir),
    )


def _histories(work_dir: Path) -> list[Path]:
    """Return the histories of all searches, also without their states."""
    paths = {
        directory / HISTORY_FILE for directory in search_directories(work_dir)
    }
    paths.update(work_dir.glob(f'*/{HISTORY_FILE}'))
    return sorted(path for path in paths if path.exists())


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


@dataclass(frozen=True)
class RunConfig:
    """What a run was asked to do.

    Attributes:
        path: The file; None if the run left none.
        text: Its content, the resolved config.
        content: The same as a mapping; empty if it cannot be read.
    """

    path: Path | None
    text: str
    content: Mapping[str, Any]

    @property
    def explorations(self) -> list[Mapping[str, Any]]:
        """Configs of the exploration loops."""
        loop = self.content.get('train_cfg') or {}
        found = loop.get('exploration', loop if 'controller' in loop else [])
        return [found] if isinstance(found, Mapping) else list(found)

    def exploration(self, directory: str) -> Mapping[str, Any]:
        """Return the config of the exploration in a directory, or none."""
        for config in self.explorations:
            if config.get('directory', EXPLORATION_DIR) == directory:
                return config
        return {}

    @property
    def training(self) -> Mapping[str, Any]:
        """Config of the ordinary training loop; empty if there is none."""
        loop = self.content.get('train_cfg') or {}
        found = loop.get('training', {} if 'controller' in loop else loop)
        return found or {}


def read_config(work_dir: Path) -> RunConfig:
    """Read the newest config that MMEngine wrote into a work directory.

    A file that cannot be read, such as one that is being written, leaves
    text without content.
    """
    files = sorted(
        work_dir.glob('*.py'), key=lambda path: path.stat().st_mtime_ns
    )
    if not files:
        return RunConfig(None, '', {})
    path = files[-1]
    text = path.read_text(errors='replace')
    try:
        content = Config.fromfile(path, import_custom_modules=False)
    except Exception:
        # A file of Python may fail in any way, and a report needs none of it.
        return RunConfig(path, text, {})
    return RunConfig(path, text, content)


Curve = dict[int, float]
"""Value by epoch or step."""

_WEIGHTED = re.compile(r'weighted[./]')  # up to version 0.1.0 with a slash
_EPOCH = re.compile(r'Epoch\(train\)\s*\[\d+\]\[\s*\d+/(\d+)\]')


@dataclass(frozen=True)
class TrainingLog:
    """What was logged.

    Attributes:
        raw: Mean raw losses by name and epoch.
        weighted: The same after weighting; empty if not logged.
        metrics: Validation metrics by key and step, as far as measured.
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
                known = (
                    known_metric(key, float(value)) if '/' in key else math.nan
                )
                if math.isfinite(known):
                    metrics[key][int(record['step'])] = known
    length = _epoch_length(work_dir)
    losses = {key for step in steps.values() for key in step if _is_loss(key)}
    curves = {key: _by_epoch(steps, key) for key in sorted(losses)}
    return TrainingLog(
        {k: v for k, v in curves.items() if not _WEIGHTED.match(k)},
        {
            _WEIGHTED.sub('', k, count=1): v
            for k, v in curves.items()
            if _WEIGHTED.match(k)
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
    name = _WEIGHTED.sub('', key, count=1).rpartition('.')[2]
    return name.startswith('loss_')


def _by_epoch(steps: Mapping[int, Mapping[str, Any]], key: str) -> Curve:
    """Return the means of what was measured; a weight may be 0, too."""
    values: dict[int, list[float]] = defaultdict(list)
    for step in steps.values():
        value = float(step.get(key, math.nan))
        zero = value == 0 and not _WEIGHTED.match(key)
        if math.isfinite(value) and not zero:
            values[int(step.get('epoch', 1))].append(value)
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
