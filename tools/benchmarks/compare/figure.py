"""The pictures of the comparison: the score, and gain, against cost."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence

import numpy as np
from intervals import mean_and_std
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator, StrMethodFormatter
from rows import Difference, Row, pool

COLORS = {
    'reference': '#000000',
    'single run': '#0072B2',
    'population': '#D55E00',
    'Ada-Segment': '#CC3377',
    'ablation': '#8A6BBE',
    'control': '#8C8C8C',
    'balance': '#009E73',
    'SGD': '#E69F00',
    'design': '#56B4E9',
}
TICKS = (0.5, 1, 2, 3, 5, 8, 12, 20, 30, 50)
GAP = 0.027  # of a panel's height, between lines of text
SAME_COST = 1.12  # ratio of costs whose numbers stand in one column


def compare_figure(rows: Mapping[str, Sequence[Row]]) -> Figure:
    """Draw one panel a problem.

    Args:
        rows: By name of the problem.

    Raises:
        ValueError: If no problem has a row.
    """
    shown = {name: found for name, found in rows.items() if found}
    if not shown:
        raise ValueError('`rows` should hold at least one row. Found none.')
    columns = min(2, len(shown))
    lines = math.ceil(len(shown) / columns)
    figure = Figure(
        figsize=(9 * columns, 6.2 * lines + 0.4), layout='constrained'
    )
    grid = figure.subplots(lines, columns, squeeze=False)
    for axes in grid.flat[len(shown) :]:
        axes.set_axis_off()
    for axes, (name, found) in zip(grid.flat, shown.items(), strict=False):
        _draw(axes, name, found)
    figure.legend(
        handles=_handles(shown),
        loc='outside lower center',
        ncols=len(COLORS),
        frameon=False,
    )
    return figure


def gain_figure(rows: Mapping[str, Sequence[Row]]) -> Figure:
    """Draw in one panel what each method gains over ones, and what it costs.

    Args:
        rows: By name of the problem; each problem counts alike.

    Raises:
        ValueError: If nothing can be compared with ones.
    """
    gains: list[tuple[Row, float, Difference]] = []
    methods = {row.method.name: row for some in rows.values() for row in some}
    for name, row in methods.items():
        pooled = pool(rows, name, 'ones')
        if pooled:
            costs = [
                other.cost
                for some in rows.values()
                for other in some
                if other.method.name == name
            ]
            gains.append((row, statistics.fmean(costs), pooled.difference))
    if not gains:
        raise ValueError(
            '`rows` should have ones and another method. Found '
            f'{", ".join(methods) or "none"}.'
        )
    figure = Figure(figsize=(8, 4), layout='constrained')
    axes = figure.subplots()
    axes.axhline(0, color='#000000', lw=0.8)
    for row, cost, difference in gains:
        low, high = difference.bootstrap
        mean = difference.mean
        axes.errorbar(
            cost,
            mean,
            yerr=[[max(0.0, mean - low)], [max(0.0, high - mean)]],
            fmt='o',
            color=COLORS[row.method.group],
            ms=5,
            lw=1.2,
            capsize=2,
        )
    metric = _metric(gains[0][0])
    _dress(axes, f'{metric} gained over all ones', [1, *(g[1] for g in gains)])
    axes.set_xlim(right=4 * max(g[1] for g in gains))  # room for names
    _name(axes, gains)
    return figure


def _name(axes: Axes, gains: Sequence[tuple[Row, float, Difference]]) -> None:
    """Write the names to the right of all points, with lines to them."""
    low, high = axes.get_ylim()
    wanted = [(gain[2].mean - low) / (high - low) for gain in gains]
    x = 1.25 * max(cost for _, cost, _ in gains)
    for (row, cost, difference), y in zip(
        gains, spread_out(wanted, 0.06), strict=True
    ):
        axes.annotate(
            f'{row.method.name}, {difference.mean:+.1f}',
            (cost, difference.mean),
            (x, low + y * (high - low)),
            fontsize=9,
            va='center',
            color=COLORS[row.method.group],
            arrowprops=dict(
                arrowstyle='-', color='#B8B8B8', lw=0.6, relpos=(0, 0.5)
            ),
        )


def spread_out(positions: Sequence[float], gap: float) -> list[float]:
    """Move positions apart as little as a sweep upwards and back needs.

    Args:
        positions: Of labels, in [0, 1] and in any order.
        gap: Smallest distance of two.

    Returns:
        New positions in the order given; the order along the axis stays.
    """
    order = np.argsort(positions, kind='stable')
    # Blocks of labels that touch share the mean of what they want.
    blocks: list[list[float]] = []
    for i, index in enumerate(order):
        blocks.append([positions[index] - i * gap])
        while len(blocks) > 1 and np.mean(blocks[-2]) > np.mean(blocks[-1]):
            blocks[-2:] = [blocks[-2] + blocks[-1]]
    moved = [float(np.mean(block)) for block in blocks for _ in block]
    lowest = 0.5 * gap
    highest = 1 - 0.5 * gap - (len(order) - 1) * gap
    placed = [0.0] * len(order)
    for i, index in enumerate(order):
        base = max(lowest, min(moved[i], highest))
        placed[index] = base + i * gap
    return placed


def _draw(axes: Axes, title: str, rows: Sequence[Row]) -> None:
    ranked = sorted(rows, key=lambda row: -mean_and_std(row.scores)[0])
    for row in ranked:
        mean, spread = mean_and_std(row.scores)
        axes.errorbar(
            row.cost,
            mean,
            yerr=0 if math.isnan(spread) else spread,
            fmt='o',
            color=COLORS[row.method.group],
            ms=4,
            lw=1,
            capsize=2,
        )
    _dress(axes, title, [row.cost for row in rows])
    axes.set_ylabel(f'{_metric(rows[0])} on the test images')
    for column in _columns(ranked):
        _number(axes, ranked, column)
    _list(axes, ranked)


def _dress(axes: Axes, title: str, costs: Sequence[float]) -> None:
    low, high = min(costs) / 1.15, max(costs) * 1.25
    axes.set_xscale('log')
    axes.set_xticks([t for t in TICKS if low <= t <= high])
    axes.set_xlim(low, high)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter('{x:g}'))
    axes.set_xlabel('cost in trainings')
    axes.set_title(title, loc='left', fontsize=11)
    axes.grid(color='#EAEAEA', lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[['top', 'right']].set_visible(False)


def _metric(row: Row) -> str:
    """Return the name of the metric that methods are compared by."""
    return next(iter(row.scoring.columns))


def _columns(rows: Sequence[Row]) -> list[list[Row]]:
    """Group rows of about the same cost."""
    columns: list[list[Row]] = []
    for row in sorted(rows, key=lambda row: row.cost):
        if columns and row.cost <= SAME_COST * columns[-1][0].cost:
            columns[-1].append(row)
        else:
            columns.append([row])
    return columns


def _number(axes: Axes, ranked: Sequence[Row], column: list[Row]) -> None:
    """Write the numbers of the list beside points, with lines to them."""
    low, high = axes.get_ylim()
    means = [mean_and_std(row.scores)[0] for row in column]
    wanted = [(mean - low) / (high - low) for mean in means]
    x = max(row.cost for row in column) * 1.05
    for row, mean, y in zip(
        column, means, spread_out(wanted, GAP), strict=True
    ):
        axes.annotate(
            str(ranked.index(row) + 1),
            (row.cost, mean),
            (x, low + y * (high - low)),
            fontsize=7.5,
            va='center',
            color=COLORS[row.method.group],
            arrowprops=dict(
                arrowstyle='-', color='#B8B8B8', lw=0.5, relpos=(0, 0.5)
            ),
        )


def _list(axes: Axes, ranked: Sequence[Row]) -> None:
    """Write what the numbers stand for beside the panel."""
    for i, row in enumerate(ranked):
        mean = mean_and_std(row.scores)[0]
        axes.text(
            1.02,
            1 - (i + 0.5) * GAP,
            f'{i + 1:2} {row.method.name:22} {mean:5.1f} {row.cost:5.3g}x',
            transform=axes.transAxes,
            fontsize=7.5,
            family='monospace',
            va='center',
            color=COLORS[row.method.group],
        )


def _handles(rows: Mapping[str, Sequence[Row]]) -> list[Line2D]:
    used = {row.method.group for found in rows.values() for row in found}
    return [
        Line2D([], [], color=color, marker='o', lw=0, ms=5, label=group)
        for group, color in COLORS.items()
        if group in used
    ]
