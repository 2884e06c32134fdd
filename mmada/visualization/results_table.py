"""The table that ends a comparison, for a terminal and for a README."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

_HEADER = ('method', 'PQ', 'things', 'stuff', 'cost', 'note')
_NUMBERS = range(1, 5)


class ResultRow(NamedTuple):
    """What a method reached.

    Attributes:
        method: Its name.
        pq: Panoptic quality in percent, NaN if unknown.
        things: The same of things.
        stuff: The same of stuff.
        cost: In units of one training.
        note: A remark, or an empty string.
    """

    method: str
    pq: float
    things: float
    stuff: float
    cost: float
    note: str = ''


def results_text(rows: Sequence[ResultRow]) -> str:
    """Lay out results in columns for a terminal or a log.

    Args:
        rows: One for each method.

    Returns:
        Lines without a newline at the end; no column for notes if there
        are none.
    """
    lines = ['  '.join(cells).rstrip() for cells in _aligned(_cells(rows))]
    rule = '-' * max(map(len, lines))
    return '\n'.join([lines[0], rule, *lines[1:]])


def results_markdown(rows: Sequence[ResultRow]) -> str:
    """Lay out results as a Markdown table.

    Args:
        rows: One for each method.

    Returns:
        Lines without a newline at the end; no column for notes if there
        are none.
    """
    escaped = [
        [cell.replace('|', '\\|') for cell in line] for line in _cells(rows)
    ]
    lines = _aligned(escaped)
    marks = [
        '-' * (len(cell) - 1) + ':' if i in _NUMBERS else '-' * len(cell)
        for i, cell in enumerate(lines[0])
    ]
    return '\n'.join(
        f'| {" | ".join(cells)} |' for cells in [lines[0], marks, *lines[1:]]
    )


def _cells(rows: Sequence[ResultRow]) -> list[list[str]]:
    columns = len(_HEADER) if any(row.note for row in rows) else -1
    lines = [
        (
            row.method,
            _percent(row.pq),
            _percent(row.things),
            _percent(row.stuff),
            f'{row.cost:.3g}x',
            row.note,
        )
        for row in rows
    ]
    return [list(line[:columns]) for line in [_HEADER, *lines]]


def _aligned(lines: Sequence[Sequence[str]]) -> list[list[str]]:
    """Pad cells to equal width in each column, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        [
            cell.rjust(w) if i in _NUMBERS else cell.ljust(w)
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        ]
        for line in lines
    ]


def _percent(value: float) -> str:
    return '-' if math.isnan(value) else f'{value:.1f}'
