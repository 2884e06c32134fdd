"""The metric of each replica and of the winner, things and stuff."""

from __future__ import annotations

import re

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
    'the section on trust.'
)
KINDS = (
    ' Things are countable objects, stuff is background; weights that buy one '
    'with the other show as lines that part.'
)
VALIDATION = 'What the training reached on its validation images.'
_MAIN = re.compile(r'PQ(_th|_st)?|(\w+_)?mAP|mIoU')
"""The metric of each task, not that of a size or of a threshold."""
_GROUPS = (('_th', 'things', ORANGE), ('_st', 'stuff', BLUE))
_LABELS = tuple(label for _, label, _ in _GROUPS)
_MAX_CURVES = 6


def metrics_panel(run: Run) -> Panel | None:
    """Show metrics over rounds and those of the training's validation."""
    charts = [
        _search_chart(search)
        for search in run.searches
        if np.isfinite(search.winner).any()
    ]
    caption = CAPTION if charts else ''
    names = [series.name for chart in charts for series in chart.series]
    if any(label in name for name in names for label in _LABELS):
        caption += KINDS
    if run.log.metrics:
        charts.append(_validation_chart(run))
        caption = caption or VALIDATION
    if not charts:
        return None
    return Panel('metrics', 'Metrics', caption, charts=charts)


def is_main(key: str) -> bool:
    """Return whether a metric is that of a whole task."""
    return bool(_MAIN.fullmatch(short(key)))


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
    main = [key for key in metrics if is_main(key)]
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
