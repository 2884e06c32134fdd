"""Tables and pictures of the Auto Seg-Loss benchmark."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import torch
from asl_jobs import METRICS, search_job
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from mmada.surrogates import decode, find_surrogate, load_curve
from mmada.utils.run_files import CURVE_FILE
from mmada.visualization import HISTORY_FILE, read_search, save_figure

_COLORS = matplotlib.colormaps['viridis']
Record = dict[str, Any]
Scores = Mapping[str, Mapping[str, Sequence[float]]]
"""Row, column, one score a seed."""


def write_tables(
    work_dir: Path, metrics: Sequence[str], seed: int, records: list[Record]
) -> None:
    """Write `tables.md`, `losses.png` and `curves.png`.

    Args:
        work_dir: Directory of the benchmark.
        metrics: What was searched for.
        seed: That of the searches.
        records: All results.
    """
    parts = []
    for scenes, head in (
        ('scenes', 'fcn'),
        ('other scenes', 'fcn'),
        ('scenes', 'psp'),
    ):
        scores = scores_of(
            r for r in records if (r['scenes'], r['head']) == (scenes, head)
        )
        table = scores_markdown(scores, METRICS)
        parts.append(f'{scenes}, head {head}\n\n{table}\n')
        if (scenes, head) == ('scenes', 'fcn'):
            figure = scores_figure(scores, METRICS)
            save_figure(figure, work_dir / 'losses.png')
    text = '\n'.join(parts)
    (work_dir / 'tables.md').write_text(text)
    print(text)
    searches = [_search(work_dir, metric, seed) for metric in metrics]
    save_figure(curves_figure(searches), work_dir / 'curves.png')


def scores_of(records: Iterable[Record]) -> Scores:
    """Return the scores of the trainings by loss and metric, over seeds."""
    scores: dict[str, dict[str, list[float]]] = {}
    for record in sorted(records, key=lambda r: r['seed']):
        if not record['metrics'] or record['name'] == 'pretrain':
            continue
        row = scores.setdefault(record['name'], {m: [] for m in METRICS})
        for metric in METRICS:
            row[metric].append(record['metrics'][metric])
    return dict(sorted(scores.items()))


def _search(
    work_dir: Path, metric: str, seed: int
) -> tuple[str, list[list[float]], Tensor]:
    """Return its metric, the rounds' mean actions, and what it found."""
    folder = work_dir / search_job(metric, seed, metric).key
    search = read_search(folder / HISTORY_FILE)
    assert search is not None  # it has ended
    # The last round trains the best ones again.
    sampled = search.rounds[:-1]
    means = [entry.actions.mean(0).tolist() for entry in sampled]
    points = load_curve(folder / CURVE_FILE).points
    return metric, means, torch.tensor(points, dtype=torch.float64)


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
        raise ValueError(
            '`scores` and `columns` should not be empty. Found nothing.'
        )
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
    """Return the means, scaled to 0 to 1 within each column."""
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


def curves_figure(
    searches: Sequence[tuple[str, Sequence[Sequence[float]], Tensor]],
) -> Figure:
    """Draw one row a search, one panel a curve.

    Args:
        searches: Of each the metric, the mean action of each round, and the
            control points that were found.

    Returns:
        Rounds from dark to light, what was found in red, the identity
        dashed.

    Raises:
        ValueError: If there is no search.
    """
    if not searches:
        raise ValueError(
            '`searches` should have at least one search. Found none.'
        )
    shapes = [find_surrogate(metric).shape for metric, _, _ in searches]
    columns = max(shape.curves for shape in shapes)
    figure = Figure(
        figsize=(2.4 * columns, 2.4 * len(searches)), layout='constrained'
    )
    axes = figure.subplots(len(searches), columns, squeeze=False)
    for row, (metric, means, points) in zip(axes, searches, strict=True):
        _draw_search(row, metric, means, points)
    return figure


def _draw_search(
    axes: Sequence[Axes],
    metric: str,
    means: Sequence[Sequence[float]],
    points: Tensor,
) -> None:
    surrogate = find_surrogate(metric)
    x = torch.linspace(0, 1, 201, dtype=torch.float64)
    found = surrogate.build_curves(points)
    for number, panel in enumerate(axes):
        if number >= len(found):
            panel.set_axis_off()
            continue
        panel.plot([0, 1], [0, 1], '--', color='0.5', linewidth=1)
        for index, mean in enumerate(means):
            action = torch.tensor(mean, dtype=torch.float64)
            curves = surrogate.build_curves(decode(action, surrogate.shape))
            color = _COLORS(index / max(1, len(means) - 1))
            y = curves[number](x)
            panel.plot(x, y, color=color, linewidth=0.8)
        panel.plot(x, found[number](x), color='crimson', linewidth=2)
        panel.set_title(f'{metric}: h{number + 1}', fontsize=9)
        panel.set_xticks([0, 0.5, 1])
        panel.set_yticks([0, 0.5, 1])
        panel.tick_params(labelsize=7)
