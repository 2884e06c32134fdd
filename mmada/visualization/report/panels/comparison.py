"""Several runs side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mmada.visualization.history import Search, short
from mmada.visualization.report.analysis import noises
from mmada.visualization.report.chart import PALETTE, Chart, Series
from mmada.visualization.report.panels.costs import count_costs, total_cost
from mmada.visualization.report.panels.panel import Panel, Table
from mmada.visualization.report.panels.weights import last_weights
from mmada.visualization.report.run import Run

CAPTION = (
    'The winners of each search on its reward images, and the weights of the '
    'last round. Compare only runs with the same reward images; metrics on '
    'them are optimistic, since the searches chose by them.'
)
HEADER = (
    'run',
    'rounds',
    'last winner',
    'rounds lost in noise',
    'validation of the training',
    'trainings',
)


def comparison_panel(runs: Sequence[Run]) -> Panel | None:
    """Compare runs, the first with the others."""
    if len(runs) < 2:
        return None
    names = labels(runs)
    charts = [_metric_chart(runs, names), _weights_chart(runs, names)]
    rows = [_row(name, run) for name, run in zip(names, runs, strict=True)]
    return Panel(
        'comparison',
        'Comparison of runs',
        CAPTION,
        charts=[chart for chart in charts if chart is not None],
        tables=[Table(HEADER, rows)],
    )


def labels(runs: Sequence[Run]) -> list[str]:
    """Name each run, with its parent where names are not unique."""
    names = [run.name for run in runs]
    return [
        name
        if names.count(name) == 1
        else '/'.join(run.work_dir.resolve().parts[-2:])
        for name, run in zip(names, runs, strict=True)
    ]


def _search(run: Run) -> Search | None:
    return run.searches[0] if run.searches else None


def _metric_chart(runs: Sequence[Run], names: Sequence[str]) -> Chart | None:
    found = [
        (name, search, PALETTE[i % len(PALETTE)])
        for i, (name, run) in enumerate(zip(names, runs, strict=True))
        if (search := _search(run)) is not None
    ]
    if not found:
        return None
    metric = short(found[0][1].metric)
    return Chart(
        'comparison-metric',
        f'{metric} of the winners on the reward images',
        'round',
        metric,
        [
            Series(name, search.numbers, search.winner, 'marked', color)
            for name, search, color in found
        ],
    )


def _weights_chart(runs: Sequence[Run], names: Sequence[str]) -> Chart | None:
    series = []
    for i, (name, run) in enumerate(zip(names, runs, strict=True)):
        last = last_weights(run)
        if last:
            color = PALETTE[i % len(PALETTE)]
            series.append(
                Series(name, list(last), list(last.values()), 'dots', color)
            )
    if not series:
        return None
    log = all((np.array(s.y) > 0).all() for s in series)
    return Chart(
        'comparison-weights',
        'weights at the end',
        '',
        'weight',
        series,
        log=log,
        level=1.0,
    )


def _row(name: str, run: Run) -> list[str]:
    trainings = total_cost(count_costs(run)).trainings
    cost = '-' if trainings is None else f'{trainings:.2f}'
    search = _search(run)
    if search is None:
        return [name, '-', '-', '-', _validation(run), cost]
    found = [noise for noise in noises(search) if noise is not None]
    lost = sum(noise.comparison == 'noise' for noise in found)
    last = float(search.winner[-1])
    return [
        name,
        str(len(search.rounds)),
        '-' if math.isnan(last) else f'{short(search.metric)} {last:.4g}',
        f'{lost} of {len(found)}' if found else '-',
        _validation(run),
        cost,
    ]


def _validation(run: Run) -> str:
    """Return the last value of the first metric that was validated."""
    for key, curve in run.log.metrics.items():
        return f'{short(key)} {list(curve.values())[-1]:.4g}'
    return '-'
