"""The metric of each replica and of the winner, things and stuff."""

from __future__ import annotations

import numpy as np

from mmada.visualization.history import Search, short
from mmada.visualization.report.chart import (
    BLUE,
    INK,
    MUTED,
    ORANGE,
    PALETTE,
    Chart,
    Series,
    cloud,
)
from mmada.visualization.report.panels.panel import Panel
from mmada.visualization.report.panels.weights import SKIPPED, skipped
from mmada.visualization.report.run import Run

CAPTION = (
    'Grey dots are the replicas of a round, the line is the winner, all on '
    'the reward images. Look for a cloud that rises as a whole: the model '
    'trains. A winner far above its cloud had good weights or good luck; see '
    'the section on trust. Things are countable objects, stuff is '
    'background; weights that buy one with the other show as lines that part.'
)
_GROUPS = (('_th', 'things', ORANGE), ('_st', 'stuff', BLUE))
_MAX_CURVES = 6


def metrics_panel(run: Run) -> Panel | None:
    """Show metrics over rounds and those of the training's validation."""
    charts = [
        _search_chart(search)
        for search in run.searches
        if np.isfinite(search.winner).any()
    ]
    if run.log.metrics:
        charts.append(_validation_chart(run))
    if not charts:
        return None
    return Panel('metrics', 'Metrics', CAPTION, charts=charts)


def _search_chart(search: Search) -> Chart:
    name = short(search.metric)
    x = search.numbers
    series = [cloud('replica', x, search.values(search.metric), MUTED)]
    for suffix, label, color in _GROUPS:
        values = search.of_winner(search.metric + suffix)
        if np.isfinite(values).any():
            label = f'winner, {label}'
            series.append(Series(label, x, values, 'line', color, '--'))
    series.append(Series('winner', x, search.winner, 'marked', INK))
    return Chart(
        f'{search.title}-metric',
        f'{search.title}: {name} on the reward images',
        'round',
        name,
        series,
        shaded=skipped(search),
        shaded_label=SKIPPED,
    )


def _validation_chart(run: Run) -> Chart:
    metrics = list(run.log.metrics)
    main = [key for key in metrics if short(key).startswith('PQ')]
    shown = (main or metrics)[:_MAX_CURVES]
    return Chart(
        'training-metrics',
        'training: metrics of the validation',
        'epoch or iteration',
        'metric',
        [
            Series(
                short(key),
                list(run.log.metrics[key]),
                list(run.log.metrics[key].values()),
                'marked',
                PALETTE[i],
            )
            for i, key in enumerate(shown)
        ],
    )
