"""Rows by columns of scores over seeds, as text and as a picture."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure

Scores = Mapping[str, Mapping[str, Sequence[float]]]
"""Row, column, one score a seed."""


def scores_markdown(scores: Scores, columns: Sequence[str]) -> str:
    """Lay out means and standard deviations; the best mean is bold.

    Args:
        scores: The scores; larger is better.
        columns: Which columns, in order.

    Returns:
        A Markdown table, without a newline at the end.
    """
    lines = [
        '| loss | ' + ' | '.join(columns) + ' |',
        '| --- |' + ' ---: |' * len(columns),
    ]
    best = {column: _best_row(scores, column) for column in columns}
    for row, found in scores.items():
        cells = []
        for column in columns:
            text = _cell(found[column])
            cells.append(f'**{text}**' if best[column] == row else text)
        lines.append(f'| {row} | ' + ' | '.join(cells) + ' |')
    return '\n'.join(lines)


def scores_figure(scores: Scores, columns: Sequence[str]) -> Figure:
    """Draw the means as a table, coloured within each column.

    Args:
        scores: The scores; larger is better.
        columns: Which columns, in order.

    Raises:
        ValueError: If there is no row or no column.
    """
    if not scores or not columns:
        raise ValueError('`scores` and `columns` should not be empty.')
    rows = list(scores)
    shades = _shades(scores, columns)
    figure = Figure(
        figsize=(2.2 + 1.1 * len(columns), 0.5 + 0.34 * len(rows)),
        layout='constrained',
    )
    axes = figure.subplots()
    axes.imshow(shades, cmap='YlGn', vmin=0, vmax=1.3, aspect='auto')
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            weight = 'bold' if _best_row(scores, column) == row else 'normal'
            text = _cell(scores[row][column])
            axes.text(
                j, i, text, ha='center', va='center', weight=weight, size=9
            )
    return figure


def _shades(scores: Scores, columns: Sequence[str]) -> list[list[float]]:
    """Returns the means, scaled to 0 to 1 within each column."""
    means = {
        column: [statistics.fmean(found[column]) for found in scores.values()]
        for column in columns
    }
    return [
        [
            (means[c][i] - min(means[c]))
            / (max(means[c]) - min(means[c]) or 1)
            for c in columns
        ]
        for i in range(len(scores))
    ]


def _best_row(scores: Scores, column: str) -> str:
    return max(scores, key=lambda row: statistics.fmean(scores[row][column]))


def _cell(values: Sequence[float]) -> str:
    mean = f'{statistics.fmean(values):.1f}'
    if len(values) == 1:
        return mean
    return f'{mean} ± {statistics.stdev(values):.1f}'
