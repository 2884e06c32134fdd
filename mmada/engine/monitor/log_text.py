"""Text for the log of an exploration: numbers in, strings out."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

from mmada.engine.reward import WEIGHTED_SUM
from mmada.utils.tables import aligned

_PANOPTIC = {'PQ': 'PQ', 'PQ_th': 'things', 'PQ_st': 'stuff'}
_MAX_COLUMNS = 3
_GAP = '  '
_MISSING = '-'

Row = Sequence[str]


def format_progress(
    round: int,
    num_rounds: int,
    replica: int,
    num_replicas: int,
    iteration: int,
    num_iters: int,
    metric: float | None,
    seconds_left: float | None,
    metric_name: str = 'PQ',
) -> str:
    """Say in one line where an exploration is.

    Args:
        round: Current round, from 1.
        num_rounds: T.
        replica: Current replica, from 1.
        num_replicas: m.
        iteration: Iterations done of this replica's segment.
        num_iters: q.
        metric: Best value of this round so far; None or NaN if unknown.
        seconds_left: Estimate for the whole exploration; None or NaN if
            unknown.
        metric_name: What ``metric`` is. Defaults to ``'PQ'``.

    Returns:
        Such as ``round 3/12 | replica 2/4 | iter 20/40 |
        best of round: PQ 55.1 | 0:03:12 left``.
    """
    return ' | '.join(
        (
            f'round {round}/{num_rounds}',
            f'replica {replica}/{num_replicas}',
            f'iter {iteration}/{num_iters}',
            f'best of round: {metric_name} {_score(metric)}',
            f'{format_duration(seconds_left)} left',
        )
    )


def format_round(
    round: int,
    num_rounds: int,
    objectives: Sequence[str],
    weights: Sequence[Sequence[float]],
    rewards: Sequence[float],
    metrics: Sequence[Mapping[str, float]],
    best: int,
    width: int = 120,
    resting: Collection[int] = (),
    heading: str = 'weights',
) -> str:
    """Lay out a finished round as a table; the winner has a star.

    The weights stand beside the metrics where that fits, else in a table of
    their own with one line for each objective.

    Args:
        round: The round, from 1.
        num_rounds: T.
        objectives: n names.
        weights: Of shape (m, n).
        rewards: Of shape (m,).
        metrics: Of each replica, by names that may have a prefix
            (``coco_panoptic/PQ``); empty for one that diverged or rests.
        best: Index of the winner.
        width: Longest line. Defaults to 120.
        resting: Indices of those that rest. Defaults to none.
        heading: What the weights are called in a table of their own.

    Returns:
        Lines without a newline at the end.
    """
    scores = _score_rows(rewards, metrics, best, resting)
    values = [[_significant(w) for w in row] for row in weights]
    beside = _align(
        [
            [*row, *more]
            for row, more in zip(scores, [objectives, *values], strict=True)
        ]
    )
    title = f'round {round}/{num_rounds}, winner: replica {best + 1}'
    if len(beside[0]) <= width:
        return '\n'.join([title, *beside])
    below = _weight_lines([heading, *objectives], values, best, width)
    return '\n'.join([title, *_align(scores), *below])


def _score_rows(
    rewards: Sequence[float],
    metrics: Sequence[Mapping[str, float]],
    best: int,
    resting: Collection[int],
) -> list[list[str]]:
    """Return a header and a row for each replica."""
    columns = _metric_columns(metrics)
    rows = [['replica', 'reward', *columns.values()]]
    for k, (reward, found) in enumerate(zip(rewards, metrics, strict=True)):
        values = [_score(found.get(name)) for name in columns]
        if values and not found:
            values[0] = 'rests' if k in resting else 'diverged'
        earned = None if k in resting else reward
        rows.append([_replica(k, best), format_fixed(earned, 2), *values])
    return rows


def _metric_columns(metrics: Sequence[Mapping[str, float]]) -> dict[str, str]:
    """Return headings by key: panoptic quality, else what comes first."""
    short = {key: key.rpartition('/')[2] for found in metrics for key in found}
    if 'PQ' not in short.values() or WEIGHTED_SUM in short:
        return dict(list(short.items())[:_MAX_COLUMNS])
    return {
        key: heading
        for name, heading in _PANOPTIC.items()
        for key in short
        if short[key] == name
    }


def _weight_lines(
    first: Sequence[str],
    values: Sequence[Sequence[str]],
    best: int,
    width: int,
) -> list[str]:
    """Return the weights with objectives as lines, replicas as columns.

    The first column has the heading and the objectives. Replicas that do not
    fit beside the others follow in further blocks.
    """
    columns = [[_replica(k, best), *row] for k, row in enumerate(values)]
    available = width - max(map(len, first))
    widest = max(len(cell) for column in columns for cell in column)
    count = max(1, available // (len(_GAP) + widest))
    lines: list[str] = []
    for start in range(0, len(columns), count):
        block = columns[start : start + count]
        rows = zip(first, *block, strict=True)
        lines += _align([list(row) for row in rows], first_left=True)
    return lines


def _align(rows: Sequence[Row], first_left: bool = False) -> list[str]:
    """Return lines with columns of equal width, the first one maybe text."""
    numbers = None if first_left else range(len(rows[0]))
    return [_GAP.join(cells) for cells in aligned(rows, numbers)]


def _replica(index: int, best: int) -> str:
    return f'*{index + 1}' if index == best else str(index + 1)


def _score(value: float | None) -> str:
    """Write percent with one digit, what is below one with three."""
    below_one = value is not None and 0 < abs(value) < 1
    return format_fixed(value, 3 if below_one else 1)


def format_fixed(value: float | None, digits: int) -> str:
    """Write a number with so many decimals, or a dash if it is unknown."""
    if value is None or math.isnan(value):
        return _MISSING
    return f'{value:.{digits}f}'


def _significant(value: float) -> str:
    """Write three significant digits, trailing zeros kept."""
    return f'{value:#.3g}'.rstrip('.')


def format_duration(seconds: float | None) -> str:
    """Write seconds as ``h:mm:ss``, or dashes if they are unknown."""
    if seconds is None or not math.isfinite(seconds):
        return '-:--:--'
    minutes, second = divmod(max(0, int(seconds + 0.5)), 60)
    hour, minute = divmod(minutes, 60)
    return f'{hour}:{minute:02}:{second:02}'
