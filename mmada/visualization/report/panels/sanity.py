"""Whether the rewards can be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mmada.visualization.history import Search, short
from mmada.visualization.report.advice import Advice, advise
from mmada.visualization.report.analysis import (
    info_values,
    invalid_counts,
    noises,
    sample_spread,
)
from mmada.visualization.report.chart import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    RED,
    Chart,
    Series,
)
from mmada.visualization.report.panels.panel import Panel
from mmada.visualization.report.run import Run

CAPTION = (
    'A search learns from differences between replicas. Spread is how far '
    'apart they ended; noise is how far apart equal replicas would have '
    'ended only because the reward images are a sample, from resampling the '
    'same images for all replicas. Look for a spread above the dashed line, '
    'which chance exceeds in 5 of 100 rounds. Chance in the training itself '
    'is not part of the noise.'
)


def sanity_panel(run: Run) -> Panel | None:
    """Show spread against noise, invalid samples and steps."""
    if not run.searches:
        return None
    advice: list[Advice] = []
    for search in run.searches:
        prefix = f'{search.title}: ' if len(run.searches) > 1 else ''
        advice += [
            Advice(found.level, prefix + found.text)
            for found in advise(search)
        ]
    charts = [chart for search in run.searches for chart in _charts(search)]
    return Panel(
        'trust', 'Can the rewards be trusted?', CAPTION, advice, charts
    )


def _charts(search: Search) -> list[Chart]:
    charts = [_spread_chart(search), _step_chart(search)]
    lost = invalid_counts(search)
    if any(lost):
        charts.append(_invalid_chart(search, lost))
    return [chart for chart in charts if chart is not None]


def _spread_chart(search: Search) -> Chart | None:
    x, found = search.numbers, noises(search)
    spread = [sample_spread(r.values(search.metric)) for r in search.rounds]
    if not np.isfinite(spread).any():
        return None
    series = [Series('spread between replicas', x, spread, 'marked', INK)]
    if any(found):
        noise = [math.nan if n is None else n.noise for n in found]
        limit = [math.nan if n is None else n.limit for n in found]
        series += [
            Series('noise of the metric', x, noise, 'marked', ORANGE),
            Series('exceeded by chance in 5 %', x, limit, 'line', RED, '--'),
        ]
    return Chart(
        f'{search.title}-spread',
        f'{search.title}: spread between replicas'
        + (' against noise' if any(found) else ''),
        'round',
        short(search.metric),
        series,
    )


def _step_chart(search: Search) -> Chart | None:
    rows: Sequence[tuple[str, str, str]] = (
        ('kl', 'step of the policy (KL)', BLUE),
        ('confidence', "learner's confidence", GREEN),
    )
    series = [
        Series(name, search.numbers, values, 'marked', color)
        for key, name, color in rows
        if np.isfinite(values := info_values(search, key)).any()
    ]
    if not series:
        return None
    return Chart(
        f'{search.title}-steps',
        f'{search.title}: effective step of the policy',
        'round',
        'KL, confidence',
        series,
    )


def _invalid_chart(search: Search, lost: Sequence[int]) -> Chart:
    shares = [
        count / max(1, int(entry.trained.sum()))
        for count, entry in zip(lost, search.rounds, strict=True)
    ]
    return Chart(
        f'{search.title}-invalid',
        f'{search.title}: share of replicas without a metric',
        'round',
        'share',
        [Series('without a metric', search.numbers, shares, 'bars', RED)],
    )
