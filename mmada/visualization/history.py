"""Reading the records that a run leaves in its work directory.

``history.jsonl`` has one object for each round of a search, ``weights.jsonl``
one for each period of a training. Of one that was written twice, after a
resume, the later record counts; a last line that was cut off by a kill does
not.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmada.engine.exploration.history import resting
from mmada.utils import run_files
from mmada.utils.measurements import known_metric

HISTORY_FILE = Path(run_files.EXPLORATION_DIR) / run_files.HISTORY_FILE
WEIGHTS_FILE = Path(run_files.WEIGHTS_FILE)
DEFAULT_METRIC = 'coco_panoptic/PQ'
KEYS = (('objectives', 'weights'), ('parameters', 'actions'))
"""What targets call the names and the values of an action."""

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Round:
    """What happened in one round of a search, whatever it searched for.

    Attributes:
        number: The round, from 1.
        names: What the n numbers of an action stand for.
        actions: Of each replica, (m, n).
        rewards: (m,), NaN where there is none.
        metrics: Of each replica; empty for one that diverged or rested.
        best: Index of the winner.
        losses: Mean raw losses of the state before the round, (n,) or
            empty.
        reference: Metric of that state; NaN if not known.
        updated: Whether the controller learned.
        reason: Why it did not, or ''.
        info: Scalars of the learner.
        resting: Replicas that trained nothing.
        metric: Key of the reward metric; '' if not recorded.
        resamples: Reward metric on resampled images, (m, B), NaN where a
            replica has none; None if not recorded.
    """

    number: int
    names: tuple[str, ...]
    actions: Array
    rewards: Array
    metrics: tuple[Mapping[str, float | None], ...]
    best: int
    losses: Array
    reference: float
    updated: bool
    reason: str
    info: Mapping[str, float | None]
    resting: frozenset[int]
    metric: str
    resamples: Array | None

    def values(self, metric: str) -> Array:
        """Return a metric of each replica, (m,), NaN where it has none."""
        found = [replica.get(metric) for replica in self.metrics]
        return np.array(
            [np.nan if v is None else known_metric(metric, v) for v in found]
        )

    @property
    def trained(self) -> NDArray[np.bool_]:
        """Which replicas trained, (m,)."""
        replicas = range(len(self.metrics))
        return np.array([k not in self.resting for k in replicas])


@dataclass(frozen=True)
class Search:
    """One search of a run.

    Arrays over its rounds are as wide as the largest of them; NaN stands
    where a round has no such replica.

    Attributes:
        title: Name of its directory in the work directory.
        what: What the values of an action are called.
        rounds: The completed ones, at least one.
        config: Of the exploration loop; empty if not known.
    """

    title: str
    what: str
    rounds: Sequence[Round]
    config: Mapping[str, Any]

    @property
    def names(self) -> tuple[str, ...]:
        """What the numbers of an action stand for."""
        return self.rounds[0].names

    @property
    def numbers(self) -> list[int]:
        """Of the rounds."""
        return [entry.number for entry in self.rounds]

    @property
    def metrics(self) -> set[str]:
        """Keys of all metrics that a replica has."""
        return {key for r in self.rounds for m in r.metrics for key in m}

    @cached_property
    def metric(self) -> str:
        """Key of the metric that the rewards were made of."""
        known = self.rounds[-1].metric or DEFAULT_METRIC
        if known in self.metrics or not self.metrics:
            return known
        return max(sorted(self.metrics), key=self._wins)

    @property
    def tried(self) -> Array:
        """Actions of the replicas that trained, (rounds, m, n)."""
        return self.by_replica(
            np.where(entry.trained[:, None], entry.actions, np.nan)
            for entry in self.rounds
        )

    @property
    def chosen(self) -> Array:
        """Action of the winner of each round, (rounds, n)."""
        return np.stack([entry.actions[entry.best] for entry in self.rounds])

    @property
    def winner(self) -> Array:
        """Reward metric of the winner of each round, (rounds,)."""
        return self.of_winner(self.metric)

    def of_winner(self, metric: str) -> Array:
        """Return a metric of the winner of each round, (rounds,)."""
        return np.array([r.values(metric)[r.best] for r in self.rounds])

    def values(self, metric: str) -> Array:
        """Return a metric of all replicas, (rounds, m)."""
        return self.by_replica(entry.values(metric) for entry in self.rounds)

    def by_replica(self, values: Iterable[Array]) -> Array:
        """Stack what the replicas of each round have, (rounds, m, ...).

        Args:
            values: Of each round, (m of that round, ...).
        """
        rows = list(values)
        width = max(map(len, rows))
        found = np.full((len(rows), width, *rows[0].shape[1:]), np.nan)
        for target, row in zip(found, rows, strict=True):
            target[: len(row)] = row
        return found

    def _wins(self, metric: str) -> int:
        """Count the rounds whose winner is best by a metric."""
        values = [(r.values(metric), r.best) for r in self.rounds]
        return sum(
            bool(v[best] == np.nanmax(v))
            for v, best in values
            if np.isfinite(v).any()
        )


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
    weights: Array
    losses: Array


def short(metric: str) -> str:
    """Return a metric's name without its prefix."""
    return metric.rpartition('/')[2]


def read_search(
    path: Path, config: Mapping[str, Any] | None = None
) -> Search | None:
    """Read the rounds of a search.

    Args:
        path: ``history.jsonl``.
        config: Of the exploration loop; None if not known.

    Returns:
        The search; None before its first round is complete.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line is not a round's record, naming the line.
    """
    config = config or {}
    what = ''

    def parse(record: Mapping[str, Any]) -> Round:
        nonlocal what
        names_key, what = _keys(record)
        return _parse_round(record, names_key, what, config)

    rounds = _read(path, parse)
    return Search(path.parent.name, what, rounds, config) if rounds else None


def read_epochs(path: Path) -> Epochs | None:
    """Read the weights that a training used.

    Args:
        path: ``weights.jsonl``.

    Returns:
        The weights; None if none were recorded.

    Raises:
        ValueError: If a line is not an epoch's record, naming the line.
    """
    epochs = _read(path, _parse_epoch) if path.exists() else []
    if not epochs:
        return None
    return Epochs(
        epochs[0].names,
        [epoch.number for epoch in epochs],
        np.stack([epoch.weights for epoch in epochs]),
        np.stack([epoch.losses for epoch in epochs]),
    )


class _Epoch(NamedTuple):
    number: int
    names: tuple[str, ...]
    weights: Array
    losses: Array


class _Entry(Protocol):
    @property
    def number(self) -> int: ...

    @property
    def names(self) -> tuple[str, ...]: ...


Entry = TypeVar('Entry', bound=_Entry)


def _read(
    path: Path, parse: Callable[[Mapping[str, Any]], Entry]
) -> list[Entry]:
    """Return the entries of a file by their numbers, each once."""
    entries: dict[int, Entry] = {}
    names: tuple[str, ...] | None = None
    for line, record in _read_records(path):
        with _errors_of_line(path, line, record):
            entry = parse(record)
            names = names or entry.names
            if entry.names != names:
                raise ValueError(
                    f'the names should be {list(names)}, as in the lines '
                    f'before. Found {list(entry.names)}.'
                )
        entries[entry.number] = entry
    return [entries[number] for number in sorted(entries)]


def _read_records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield line numbers, from 1, and objects."""
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
        except ValueError:
            if number == len(lines):
                return
            record = None
        if not isinstance(record, dict):
            raise ValueError(
                f'{path}, line {number} should be a JSON object. '
                f'Found {line[:60]!r}.'
            )
        yield number, record


@contextlib.contextmanager
def _errors_of_line(
    path: Path, line: int, record: Mapping[str, Any]
) -> Iterator[None]:
    try:
        yield
    except KeyError as error:
        raise ValueError(
            f'{path}, line {line} should have the field {error}. Found '
            f'{sorted(record)}.'
        ) from error
    except (TypeError, ValueError) as error:
        raise ValueError(f'{path}, line {line}: {error}') from error


def _keys(record: Mapping[str, Any]) -> tuple[str, str]:
    for keys in KEYS:
        if keys[0] in record:
            return keys
    raise KeyError(KEYS[0][0])


def _parse_round(
    record: Mapping[str, Any],
    names_key: str,
    actions_key: str,
    config: Mapping[str, Any],
) -> Round:
    names, metrics = tuple(record[names_key]), tuple(record['metrics'])
    best, m = int(record['best']), len(metrics)
    if not 0 <= best < m:
        raise ValueError(
            f'`best` should be the index of one of {m} replicas. Found {best}.'
        )
    reference = record.get('reference')
    return Round(
        number=int(record['round']),
        names=names,
        actions=_array(record, actions_key, (m, len(names))),
        rewards=_array(record, 'rewards', (m,)),
        metrics=metrics,
        best=best,
        losses=np.array(record.get('losses', ()), dtype=np.float64),
        reference=np.nan if reference is None else float(reference),
        updated=bool(record['updated']),
        reason=str(record.get('reason', '')),
        info=dict(record.get('info', {})),
        resting=frozenset(resting(dict(record))),
        metric=str(
            record.get('reward_metric', config.get('reward_metric', ''))
        ),
        resamples=_resamples(record.get('resamples')),
    )


def _parse_epoch(record: Mapping[str, Any]) -> _Epoch:
    names = tuple(record['objectives'])
    shape = (len(names),)
    losses = record.get('losses') or [np.nan] * len(names)
    return _Epoch(
        int(record['epoch']),
        names,
        _array(record, 'weights', shape),
        _array(dict(losses=losses), 'losses', shape),
    )


def _array(
    record: Mapping[str, Any], name: str, shape: tuple[int, ...]
) -> Array:
    array = np.array(record[name], dtype=np.float64)
    if array.shape != shape:
        raise ValueError(
            f'`{name}` should have the shape {shape}. Found {array.shape}.'
        )
    return array


def _resamples(
    found: Sequence[Sequence[float | None] | None] | None,
) -> Array | None:
    """Return (m, B), rows of NaN where a replica has none."""
    width = max((len(row) for row in found or () if row), default=0)
    if not found or not width:
        return None
    rows = [row or [None] * width for row in found]
    return np.array(rows, dtype=np.float64)
