"""Rewards, split into what replicas did and what they share."""

from __future__ import annotations

import numpy as np

from mmada.visualization.history import Search
from mmada.visualization.report.analysis import split_reward
from mmada.visualization.report.chart import (
    BLUE,
    INK,
    ORANGE,
    Chart,
    Series,
    cloud,
)
from mmada.visualization.report.panels.panel import Panel
from mmada.visualization.report.run import Run

CAPTION = (
    'The paper makes a reward of two parts, both in units of the spread '
    'between the replicas: r_local says how a replica compares with the '
    'others of its round, r_imp how it compares with the round before. Only '
    'r_local differs between replicas; where r_imp is much larger, every '
    'sample looks good. The last plot has the rewards that this controller '
    'really learned from, which need not be made of both.'
)


def rewards_panel(run: Run) -> Panel | None:
    """Show both parts of the reward, and the reward that was used."""
    charts = [
        chart
        for search in run.searches
        if np.isfinite(search.winner).any()
        for chart in _charts(search)
    ]
    if not charts:
        return None
    return Panel('rewards', 'Rewards', CAPTION, charts=charts)


def _charts(search: Search) -> list[Chart]:
    parts = [split_reward(entry, search.metric) for entry in search.rounds]
    local = search.by_replica(part.local for part in parts)
    improvement = search.by_replica(part.improvement for part in parts)
    used = search.by_replica(
        np.where(entry.trained, entry.rewards, np.nan)
        for entry in search.rounds
    )
    parts_chart = Chart(
        f'{search.title}-reward-parts',
        f'{search.title}: parts of the reward',
        'round',
        'reward',
        [
            cloud('r_local', search.numbers, local, BLUE),
            cloud('r_imp', search.numbers, improvement, ORANGE),
            _mean_line('mean r_imp', search, improvement),
        ],
        level=0.0,
    )
    used_chart = Chart(
        f'{search.title}-rewards',
        f'{search.title}: rewards that were used',
        'round',
        'reward',
        [
            cloud('replica', search.numbers, used, BLUE),
            Series('winner', search.numbers, _of_winner(search), 'line', INK),
        ],
        level=0.0,
    )
    return [parts_chart, used_chart]


def _mean_line(name: str, search: Search, values: np.ndarray) -> Series:
    known = np.isfinite(values)
    sums = np.where(known, values, 0.0).sum(axis=1)
    means = np.divide(
        sums,
        known.sum(axis=1),
        out=np.full(len(sums), np.nan),
        where=known.any(axis=1),
    )
    return Series(name, search.numbers, means, 'line', ORANGE)


def _of_winner(search: Search) -> list[float]:
    return [float(entry.rewards[entry.best]) for entry in search.rounds]
