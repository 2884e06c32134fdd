"""Reading the rounds of a search from its history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmada.engine.exploration.history import resting
from mmada.visualization.history import read_records
from mmada.visualization.report.rounds import Array, Search, SearchRound

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
