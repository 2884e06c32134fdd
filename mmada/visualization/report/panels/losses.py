"""Raw and weighted losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mmada.visualization.history import Search
from mmada.visualization.report.chart import Chart, Series, styles_of
from mmada.visualization.report.panels.panel import Panel
from mmada.visualization.report.run import Curve, Run

CAPTION = (
    'Raw losses say how hard an objective still is. Weighted losses, raw '
    'times weight, say which of them pulls at the shared trunk: an objective '
    'whose weighted loss lies far above all others decides alone, one far '
    'below is not heard. In a search, losses of a round are those of the '
    'state that its replicas started from, and weights those of its winner.'
)


def losses_panel(run: Run) -> Panel | None:
    """Show losses over rounds and epochs, before and after weighting."""
    charts: list[Chart] = []
    for search in run.searches:
        charts += _search_charts(search)
    epochs = run.epochs
    if epochs is not None and np.isfinite(epochs.losses).any():
        charts += _pair(
            'training',
            'epoch or period',
            epochs.names,
            epochs.numbers,
            epochs.losses,
            epochs.weights,
        )
    elif run.log.raw:
        charts += _logged_charts(run)
    if not charts:
        return None
    return Panel('losses', 'Losses', CAPTION, charts=charts)


def _search_charts(search: Search) -> list[Chart]:
    losses = [entry.losses for entry in search.rounds]
    if not all(len(found) == len(search.names) for found in losses):
        return []
    return _pair(
        search.title,
        'round',
        search.names,
        search.numbers,
        np.stack(losses),
        search.chosen,
    )


def _pair(
    title: str,
    x_label: str,
    names: Sequence[str],
    x: Sequence[int],
    losses: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> list[Chart]:
    styles = styles_of(names)
    return [
        Chart(
            f'{title}-{kind}-losses',
            f'{title}: {kind} losses',
            x_label,
            'loss',
            [
                Series(name, x, values[:, i], 'marked', *style)
                for i, (name, style) in enumerate(styles.items())
            ],
            log=bool((values[np.isfinite(values)] > 0).all()),
        )
        for kind, values in (('raw', losses), ('weighted', losses * weights))
    ]


def _logged_charts(run: Run) -> list[Chart]:
    kinds: list[tuple[str, Mapping[str, Curve]]] = [('raw', run.log.raw)]
    if run.log.weighted:
        kinds.append(('weighted', run.log.weighted))
    return [
        Chart(
            f'training-{kind}-losses',
            f'training: {kind} losses, as logged',
            'epoch',
            'loss',
            [
                Series(name, list(c), list(c.values()), 'marked', *style)
                for (name, c), style in zip(
                    curves.items(),
                    styles_of(list(curves)).values(),
                    strict=True,
                )
            ],
            log=all(v > 0 for c in curves.values() for v in c.values()),
        )
        for kind, curves in kinds
    ]
