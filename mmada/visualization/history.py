"""Reading the records that a run leaves in its work directory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmada.engine.exploration.history import resting
from mmada.utils import run_files

HISTORY_FILE = Path(run_files.EXPLORATION_DIR) / run_files.HISTORY_FILE
WEIGHTS_FILE = Path(run_files.WEIGHTS_FILE)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Round:
    """What happened in one round of an exploration.

    Attributes:
        number: The round, from 1.
        objectives: Names of the n objectives.
        weights: Weights (m, n) that the replicas trained with.
        rewards: Rewards (m,).
        metrics: Metrics of each replica; empty for one that diverged.
        best: Index of the winner.
        updated: Whether the policy was updated.
        metric: What was maximised, without prefix.
    """

    number: int
    objectives: tuple[str, ...]
    weights: Array
    rewards: Array
    metrics: tuple[Mapping[str, float], ...]
    best: int
    updated: bool
    metric: str = 'PQ'

    def values(self, metric: str) -> Array:
        """Return a metric of each replica, by its name without prefix.

        Args:
            metric: Such as ``PQ`` for ``coco_panoptic/PQ``.

        Returns:
            Values (m,), NaN where a replica has none.
        """
        rows = [
            {key.rpartition('/')[2]: value for key, value in found.items()}
            for found in self.metrics
        ]
        return np.array([row.get(metric, np.nan) for row in rows], dtype=float)


@dataclass(frozen=True)
class Epoch:
    """The weights that a single run used in one epoch.

    Attributes:
        number: The epoch, from 1.
        objectives: Names of the n objectives.
        weights: Weights (n,).
    """

    number: int
    objectives: tuple[str, ...]
    weights: Array


def read_history(path: Path) -> list[Round]:
    """Read the rounds of an exploration.

    Args:
        path: ``history.jsonl``, one object for each round.

    Returns:
        The rounds in order. Of one written twice, after a resume, the
        later record counts; a last line cut off by a kill does not.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line is not a round's record, naming the line.
    """
    return _read(path, _parse_round)


def read_weights(path: Path) -> list[Epoch]:
    """Read the weights of a single run.

    Args:
        path: ``weights.jsonl``, one object for each epoch.

    Returns:
        The epochs in order; see `read_history` for repeated and cut lines.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line is not an epoch's record, naming the line.
    """
    return _read(path, _parse_epoch)


def _read(path: Path, parse: Any) -> list[Any]:
    entries: dict[int, Any] = {}
    objectives: tuple[str, ...] | None = None
    for number, record in read_records(path):
        try:
            entry = parse(record)
            objectives = objectives or entry.objectives
            if entry.objectives != objectives:
                raise ValueError(
                    f'the objectives are {list(entry.objectives)}, those of '
                    f'the lines before {list(objectives)}'
                )
        except KeyError as error:
            raise ValueError(
                f'{path}, line {number}: the field {error} is missing'
            ) from error
        except (TypeError, ValueError) as error:
            raise ValueError(f'{path}, line {number}: {error}') from error
        entries[entry.number] = entry
    return [entries[number] for number in sorted(entries)]


def read_records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield line numbers, from 1, and objects.

    A last line cut off by a kill does not count.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line is not a JSON object, naming the line.
    """
    lines = path.read_text().splitlines()
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
        except ValueError as error:
            if number == len(lines):
                return
            raise ValueError(
                f'{path}, line {number}: not JSON ({error})'
            ) from error
        if not isinstance(record, dict):
            raise ValueError(
                f'{path}, line {number}: expected an object, found {line!r}'
            )
        yield number, record


def _parse_round(record: Mapping[str, Any]) -> Round:
    objectives = tuple(record['objectives'])
    metrics = tuple(dict(found) for found in record['metrics'])
    num_replicas = len(metrics)
    best = int(record['best'])
    if not 0 <= best < num_replicas:
        raise ValueError(f'best is {best}, with {num_replicas} replicas')
    return Round(
        number=int(record['round']),
        objectives=objectives,
        weights=_array(record, 'weights', (num_replicas, len(objectives))),
        rewards=_array(record, 'rewards', (num_replicas,)),
        metrics=metrics,
        best=best,
        updated=bool(record['updated']),
        metric=record.get('reward_metric', 'PQ').rpartition('/')[2],
    )


def _parse_epoch(record: Mapping[str, Any]) -> Epoch:
    objectives = tuple(record['objectives'])
    return Epoch(
        number=int(record['epoch']),
        objectives=objectives,
        weights=_array(record, 'weights', (len(objectives),)),
    )


def _array(
    record: Mapping[str, Any], name: str, shape: Sequence[int]
) -> Array:
    array = np.array(record[name], dtype=np.float64)
    if array.shape != tuple(shape):
        raise ValueError(
            f'{name} should have shape {tuple(shape)}, found {array.shape}'
        )
    return array


# ~~ rounds: The rounds of a search, whatever it searched for.


DEFAULT_METRIC = 'coco_panoptic/PQ'


@dataclass(frozen=True)
class SearchRound:
    """What happened in one round.

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
        return np.array(found, dtype=np.float64)

    @property
    def trained(self) -> Array:
        """Which replicas trained, (m,)."""
        replicas = range(len(self.metrics))
        return np.array([k not in self.resting for k in replicas])


@dataclass(frozen=True)
class Search:
    """One search of a run.

    Attributes:
        title: Name of its directory in the work directory.
        what: What the values of an action are called.
        rounds: The completed ones, at least one.
        config: Of the exploration loop; empty if not known.
    """

    title: str
    what: str
    rounds: Sequence[SearchRound]
    config: Mapping[str, Any]

    @property
    def names(self) -> tuple[str, ...]:
        """What the numbers of an action stand for."""
        return self.rounds[0].names

    @property
    def numbers(self) -> list[int]:
        """Of the rounds."""
        return [entry.number for entry in self.rounds]

    @cached_property
    def metric(self) -> str:
        """Key of the metric that the rewards were made of."""
        known = self.rounds[-1].metric or DEFAULT_METRIC
        keys = {key for r in self.rounds for m in r.metrics for key in m}
        if known in keys or not keys:
            return known
        return max(sorted(keys), key=self._wins)

    @property
    def winner(self) -> Array:
        """Reward metric of the winner of each round, (rounds,)."""
        return self.of_winner(self.metric)

    def of_winner(self, metric: str) -> Array:
        """Return a metric of the winner of each round, (rounds,)."""
        return np.array([r.values(metric)[r.best] for r in self.rounds])

    def _wins(self, metric: str) -> int:
        """Count the rounds whose winner is best by a metric."""
        values = [(r.values(metric), r.best) for r in self.rounds]
        return sum(
            bool(v[best] == np.nanmax(v))
            for v, best in values
            if np.isfinite(v).any()
        )


# ~~ search_file: Reading the rounds of a search from its history.


KEYS = (('objectives', 'weights'), ('parameters', 'actions'))
"""What targets call the names and the values of an action."""


def read_search(path: Path, config: Mapping[str, Any]) -> Search | None:
    """Read the rounds of a search.

    Args:
        path: ``history.jsonl``.
        config: Of the exploration loop; empty if not known.

    Returns:
        The search; None before its first round is complete.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line is not a round's record, naming the line.
    """
    rounds: dict[int, SearchRound] = {}
    what = ''
    for line, record in read_records(path):
        try:
            names_key, what = _keys(record)
            entry = _parse(record, names_key, what, config)
        except KeyError as error:
            raise ValueError(
                f'{path}, line {line}: the field {error} is missing'
            ) from error
        except (TypeError, ValueError, IndexError) as error:
            raise ValueError(f'{path}, line {line}: {error}') from error
        rounds[entry.number] = entry
    if not rounds:
        return None
    ordered = [rounds[number] for number in sorted(rounds)]
    return Search(path.parent.name, what, ordered, config)


def _keys(record: Mapping[str, Any]) -> tuple[str, str]:
    for keys in KEYS:
        if keys[0] in record:
            return keys
    raise KeyError(KEYS[0][0])


def _parse(
    record: Mapping[str, Any],
    names_key: str,
    actions_key: str,
    config: Mapping[str, Any],
) -> SearchRound:
    reference = record.get('reference')
    return SearchRound(
        number=int(record['round']),
        names=tuple(record[names_key]),
        actions=np.array(record[actions_key], dtype=np.float64),
        rewards=np.array(record['rewards'], dtype=np.float64),
        metrics=tuple(record['metrics']),
        best=int(record['best']),
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


def _resamples(
    found: Sequence[Sequence[float | None] | None] | None,
) -> Array | None:
    """Return (m, B), rows of NaN where a replica has none."""
    width = max((len(row) for row in found or () if row), default=0)
    if not found or not width:
        return None
    rows = [row or [None] * width for row in found]
    return np.array(rows, dtype=np.float64)
