"""The tables of the comparison, in Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from intervals import Interval, mean_and_std
from rows import (
    POOLED_REFERENCES,
    REFERENCES,
    Difference,
    Pooled,
    Row,
    pool,
)

from mmada.utils.tables import markdown


def tables_markdown(rows: Mapping[str, Sequence[Row]]) -> str:
    """Lay out a table of results and one of differences a problem.

    Args:
        rows: By name of the problem; all are scored by the same metric.

    Returns:
        Markdown with a newline at the end.
    """
    (metric,) = {
        next(iter(row.scoring.columns))
        for some in rows.values()
        for row in some
    } or {'Score'}
    parts = [
        f'{metric} on the test images: mean ± standard deviation over seeds. '
        'Cost in units of one training, counted: iterations and evaluated '
        'images of all that a method needed; "processor" is its processor '
        'time in units of that of ones. A method "of" another problem uses a '
        'policy that was found there: what it pays is its own training and '
        f'probe, not the search. Differences in {metric} are paired by seed, '
        'with 95 % intervals: [bootstrap over seeds and test images], '
        "(Student's t over seeds). Over all problems each counts alike; "
        '"of" counts pairs of problem and seed in which a method is above.',
    ]
    for problem, found in rows.items():
        if found:
            parts += [f'## {problem}', _results(found), _differences(found)]
    if sum(map(bool, rows.values())) > 1:
        parts += ['## All problems', _pooled(rows)]
    return '\n\n'.join(parts) + '\n'


def _pooled(rows: Mapping[str, Sequence[Row]]) -> str:
    names = {row.method.name: None for some in rows.values() for row in some}
    lines = [
        [
            'method',
            'problems',
            *(f'against {name}' for name in POOLED_REFERENCES),
        ]
    ]
    for name in names:
        found = [
            pool(rows, name, reference) for reference in POOLED_REFERENCES
        ]
        count = max(one.problems if one else 0 for one in found)
        lines.append([name, str(count), *map(_pooled_cell, found)])
    return _layout(lines)


def _pooled_cell(pooled: Pooled | None) -> str:
    if pooled is None:
        return '-'
    pairs = f'{pooled.won} of {pooled.difference.seeds}'
    return f'{pairs}: {_difference(pooled.difference)}'


def _results(rows: Sequence[Row]) -> str:
    columns = rows[0].scoring.columns
    lines = [['method', 'seeds', *columns, 'cost', 'processor']]
    for row in rows:
        ratio = '-' if row.seconds is None else f'{row.seconds:.2f}'
        cells = [_spread(row.values(name)) for name in columns.values()]
        head = [row.method.name, str(len(row.results))]
        lines.append([*head, *cells, f'{row.cost:.2f}', ratio])
    return _layout(lines)


def _differences(rows: Sequence[Row]) -> str:
    lines = [['method', *(f'against {name}' for name in REFERENCES)]]
    for row in rows:
        cells = [_difference(row.differences.get(n)) for n in REFERENCES]
        lines.append([row.method.name, *cells])
    return _layout(lines)


def _spread(values: Sequence[float]) -> str:
    mean, spread = mean_and_std(values)
    return (
        f'{mean:.2f}' if math.isnan(spread) else f'{mean:.2f} ± {spread:.2f}'
    )


def _difference(difference: Difference | None) -> str:
    if difference is None:
        return '-'
    student = _interval(difference.student, '({:+.2f}, {:+.2f})')
    boot = _interval(difference.bootstrap, '[{:+.2f}, {:+.2f}]')
    return f'{difference.mean:+.2f} {boot} {student}'.rstrip()


def _interval(interval: Interval, form: str) -> str:
    return '' if math.isnan(interval[0]) else form.format(*interval)


def _layout(lines: Sequence[Sequence[str]]) -> str:
    """Lay out a table; all columns but the first are flush right."""
    return '\n'.join(markdown(lines, range(1, len(lines[0]))))
