"""Reading the records that a run leaves in its work directory."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HISTORY_FILE = Path('exploration') / 'history.jsonl'
WEIGHTS_FILE = Path('weights.jsonl')

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
