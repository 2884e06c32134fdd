"""The weights of every objective, over rounds and over epochs."""

from __future__ import annotations

from collections.abc import Sequence

from mmada.visualization.history import Epochs, Search
from mmada.visualization.report.chart import (
    Chart,
    Series,
    cloud,
    styles_of,
)
from mmada.visualization.report.panels.panel import Panel
from mmada.visualization.report.run import Run

CAPTION = (
    'Dots are what the replicas of a round tried, the line is what the '
    'winner of the round used. Look for lines that settle on one side of the '
    'dots and stay there; lines that jump from round to round follow chance.'
)
USED = 'What the training used, period by period.'
LOGARITHMIC = (
    ' On the logarithmic axis, a weight of 2 is as far from 1 as one of 0.5.'
)
SKIPPED = 'no update of the policy'


def weights_panel(run: Run) -> Panel | None:
    """Show what was tried, what won, and what the training used."""
    charts = [_search_chart(search) for search in run.searches]
    caption = CAPTION if charts else USED
    if run.epochs is not None:
        charts.append(_epochs_chart(run.epochs))
    if not charts:
        return None
    log = any(chart.log for chart in charts)
    return Panel(
        'weights',
        'Weights' if log else 'Actions',
        caption + (LOGARITHMIC if log else ''),
        charts=charts,
    )


def skipped(search: Search) -> Sequence[float]:
    """Return the rounds without an update, where others have one."""
    idle = [entry.number for entry in search.rounds if not entry.updated]
    return idle if len(idle) < len(search.rounds) else ()


def last_weights(run: Run) -> dict[str, float]:
    """Return the weights at a run's end, by objective; none if unknown."""
    if run.epochs is not None:
        last = run.epochs.weights[-1]
        return dict(zip(run.epochs.names, last.tolist(), strict=True))
    searches = [search for search in run.searches if search.what == 'weights']
    if not searches:
        return {}
    search = searches[0]
    return dict(zip(search.names, search.chosen[-1].tolist(), strict=True))


def _search_chart(search: Search) -> Chart:
    tried, chosen = search.tried, search.chosen
    series: list[Series] = []
    for i, (name, style) in enumerate(styles_of(search.names).items()):
        series += [
            cloud(name, search.numbers, tried[:, :, i], style.color),
            Series(name, search.numbers, chosen[:, i], 'line', *style),
        ]
    weights = search.what == 'weights'
    return Chart(
        f'{search.title}-{search.what}',
        f'{search.title}: {search.what} of the replicas and of the winner',
        'round',
        'weight' if weights else 'value',
        series,
        log=weights,
        level=1.0 if weights else None,
        shaded=skipped(search),
        shaded_label=SKIPPED,
    )


def _epochs_chart(epochs: Epochs) -> Chart:
    series = [
        Series(name, epochs.numbers, epochs.weights[:, i], 'marked', *style)
        for i, (name, style) in enumerate(styles_of(epochs.names).items())
    ]
    log = bool((epochs.weights > 0).all())
    return Chart(
        'training-weights',
        'training: weights that were used',
        'epoch or period',
        'weight',
        series,
        log=log,
        level=1.0,
    )
