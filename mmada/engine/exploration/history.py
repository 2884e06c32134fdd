"""The records of a search's rounds: what is read from them, their file."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from mmada.controllers import Controller, Rest
from mmada.controllers.rewards import metrics_differ
from mmada.engine.monitor.monitor import scalar_name
from mmada.utils.files import replace
from mmada.utils.run_files import HISTORY_FILE


def resting(record: dict[str, Any]) -> list[int]:
    """Return the replicas that a round did not train."""
    rests = {rest.name.lower() for rest in Rest}
    return [k for k, e in enumerate(record.get('plan', ())) if e in rests]


def resamples_of(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the entry of a record about the noise of the reward metric.

    Args:
        results: Of the round's replicas.

    Returns:
        `resamples`: for each replica the reward metric on resampled images,
        null for one that has none; nothing if none has.
    """
    found = [result.get('resamples') for result in results]
    return dict(resamples=found) if any(found) else {}


def best_metric(record: dict[str, Any], metric: str) -> float:
    """Return the metric of a round's best replica."""
    return record['metrics'][record['best']][metric]


def why_nothing_learned(
    controller: Controller, records: Sequence[dict[str, Any]], metric: str
) -> str:
    """Return why a finished search learned nothing; '' if it did learn.

    Args:
        controller: That has seen all rounds.
        records: Of all rounds.
        metric: Key of the reward metric.
    """
    scores = torch.tensor(
        [
            [found.get(metric, math.nan) for found in record['metrics']]
            for record in records
        ],
        dtype=torch.float64,
    )
    if controller.learned([record['updated'] for record in records], scores):
        return ''
    if not metrics_differ(scores):
        finite = scores.isfinite()
        which = 'all' if bool(finite.all()) else 'all surviving'
        value = float(scores[finite][0])
        return f'{which} replicas of all rounds scored {value:.4g} ({metric})'
    reasons = [record['reason'] for record in records if record['reason']]
    return reasons[-1] if reasons else 'no round moved it from its start'


def scalars(
    record: dict[str, Any], names: str, actions: str, metric: str, search: str
) -> dict[str, float]:
    """Return the scalars of a round for the visual backends.

    What is not finite is left out: not every backend can store it.

    Args:
        record: Of the round.
        names: Its key of the names of an action's numbers.
        actions: Its key of the actions.
        metric: Key of the reward metric.
        search: Name of the search, which all names begin with.
    """
    best, rests = record['best'], resting(record)
    found: dict[tuple[str, ...], float] = {
        ('round',): float(record['round']),
        ('winner',): float(best),
    }
    scores = record['metrics'][best]
    uses = Counter(map(short_name, scores))
    for key, value in scores.items():
        name = short_name(key)
        found['best', name if uses[name] == 1 else key] = value
    for name, value in zip(record[names], record[actions][best], strict=True):
        found[actions, name] = value
    for k, (reward, metrics) in enumerate(
        zip(record['rewards'], record['metrics'], strict=True)
    ):
        if k not in rests:
            found['reward', f'replica{k}'] = reward
        if metrics:
            found['metric', f'replica{k}'] = metrics[metric]
    for name, value in record['info'].items():
        found['info', name] = value
    return {
        scalar_name(search, *parts): value
        for parts, value in found.items()
        if math.isfinite(value)
    }


def finite(value: Any) -> Any:
    """Replace the numbers that strict JSON cannot hold by null."""
    if isinstance(value, dict):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, list):
        return [finite(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def short_name(metric: str) -> str:
    """Return a metric's key without its prefix."""
    return metric.rsplit('/', 1)[-1]


def write_history(directory: Path, records: Iterable[dict[str, Any]]) -> None:
    """Replace the history of a search in one step.

    Args:
        directory: Of the search.
        records: Of all rounds so far.
    """
    lines = (
        json.dumps(finite(record), allow_nan=False) + '\n'
        for record in records
    )
    replace(directory / HISTORY_FILE, ''.join(lines), durable=False)
