"""Charts as figures of matplotlib, for papers and slides."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mmada.visualization.figures import scale_log
from mmada.visualization.report.chart import INK, Chart, Series

_INK = '#202124'
_GRID = '#E4E4E4'
_SHADE = '#EEEEEE'
_BAR_INCHES = 0.24


def static_figure(chart: Chart) -> Figure:
    """Draw a chart; to be saved with `save_figure`."""
    height = 4.0
    if chart.sideways:
        height = 1.5 + _BAR_INCHES * max(len(s.x) for s in chart.series)
    figure = Figure(figsize=(9, height), layout='constrained')
    axes = figure.subplots()
    for series in chart.series:
        _draw(axes, series, chart.sideways)
    if chart.level is not None:
        axes.axhline(chart.level, color='#B0B0B0', lw=0.8, zorder=0)
    for i, position in enumerate(chart.shaded):
        label = '_once' if i else chart.shaded_label
        axes.axvspan(
            position - 0.5, position + 0.5, color=_SHADE, lw=0, label=label
        )
    _format_axes(axes, chart)
    _add_legend(figure, axes)
    return figure


def _draw(axes: Axes, series: Series, sideways: bool) -> None:
    color = _INK if series.color == INK else series.color
    style: dict[str, Any] = dict(
        color=color, label=series.name, alpha=series.opacity
    )
    x: Any = list(series.x)  # numbers or names
    y = np.asarray(series.y, dtype=np.float64)
    if series.kind == 'bars':
        (axes.barh if sideways else axes.bar)(x, y, **style)
    elif series.kind == 'dots':
        axes.scatter(x, y, s=12, linewidths=0, **style)
    else:
        marker = 'o' if series.kind == 'marked' else ''
        axes.plot(
            x, y, linestyle=series.dash, marker=marker, ms=3.5, lw=1.6, **style
        )


def _format_axes(axes: Axes, chart: Chart) -> None:
    axes.set_title(chart.title, fontsize=10, loc='left')
    axes.set_xlabel(chart.x_label)
    axes.set_ylabel(chart.y_label)
    axes.grid(color=_GRID, lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[['top', 'right']].set_visible(False)
    named = any(isinstance(v, str) for s in chart.series for v in s.x)
    if chart.log:
        scale_log(axes)
    if chart.sideways:
        axes.invert_yaxis()
        axes.margins(y=0.01)
    elif named:
        axes.tick_params(axis='x', rotation=30)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _add_legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    # Of dots and a line of the same name, the line, which comes later.
    entries = dict(zip(labels, handles, strict=True))
    if len(entries) > 1:
        figure.legend(
            list(entries.values()),
            list(entries),
            loc='outside right upper',
            frameon=False,
            fontsize=8.5,
        )
