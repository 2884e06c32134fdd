"""Charts as figures of plotly, drawn by the page's own script."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from mmada.visualization.report.chart import INK, Chart, Series

INK_COLOR = 'var(--ink)'
"""Replaced by the page's script with the colour of its text."""

_GRID = 'rgba(128,128,128,0.22)'
_SHADE = 'rgba(128,128,128,0.16)'
_DASHES = {'-': 'solid', '--': 'dash', ':': 'dot', '-.': 'dashdot'}
_MODES = {'line': 'lines', 'dots': 'markers', 'marked': 'lines+markers'}
_HEIGHT = 340
_BAR = 24
_LOG_TICKS = [d * 10.0**e for e in range(-6, 7) for d in (1, 2, 5)]
_FONT = 'system-ui, sans-serif'


def plotly_json(chart: Chart) -> str:
    """Return data and layout of a chart as JSON for plotly.js."""
    figure = go.Figure(layout=_layout(chart))
    seen: set[str] = set()
    # A line after its dots: its entry is the one to see in the legend.
    lines = {s.name for s in chart.series if s.kind != 'dots'}
    for series in chart.series:
        hidden = series.kind == 'dots' and series.name in lines
        figure.add_trace(
            _trace(series, chart, series.name not in seen and not hidden)
        )
        if not hidden:
            seen.add(series.name)
    if chart.level is not None:
        figure.add_hline(y=chart.level, line=dict(color=_GRID, width=2))
    for position in chart.shaded:
        figure.add_vrect(
            position - 0.5,
            position + 0.5,
            fillcolor=_SHADE,
            line_width=0,
            layer='below',
        )
    return figure.to_json()


def _trace(series: Series, chart: Chart, legend: bool) -> Any:
    color = INK_COLOR if series.color == INK else series.color
    common: dict[str, Any] = dict(
        name=series.name,
        legendgroup=series.name,
        showlegend=legend,
        opacity=series.opacity,
    )
    x, y = list(series.x), _numbers(series.y)
    if series.kind == 'bars':
        along = dict(x=y, y=x) if chart.sideways else dict(x=x, y=y)
        way = 'h' if chart.sideways else 'v'
        return go.Bar(
            **along, **common, orientation=way, marker=dict(color=color)
        )
    return go.Scatter(
        x=x,
        y=y,
        mode=_MODES[series.kind],
        line=dict(color=color, dash=_DASHES[series.dash], width=2),
        marker=dict(color=color, size=9 if _named(series) else 6),
        **common,
    )


def _named(series: Series) -> bool:
    return bool(series.x) and isinstance(series.x[0], str)


def _numbers(values: Any) -> list[float | None]:
    """Return values that JSON has words for."""
    return [float(v) if np.isfinite(v) else None for v in values]


def _layout(chart: Chart) -> dict[str, Any]:
    height = _HEIGHT
    if chart.sideways:
        height = 80 + _BAR * max(len(s.x) for s in chart.series)
    named = any(_named(series) for series in chart.series)
    values = dict(gridcolor=_GRID, zerolinecolor=_GRID, automargin=True)
    names: dict[str, Any] = dict(gridcolor=_GRID, automargin=True)
    if named:
        names['type'] = 'category'
    else:
        names |= dict(zeroline=False, **_ticks(chart.series))
    if chart.log:
        values |= dict(
            type='log',
            tickvals=_LOG_TICKS,
            ticktext=[f'{tick:g}' for tick in _LOG_TICKS],
        )
    across, up = (values, names) if chart.sideways else (names, values)
    if chart.sideways:
        names['autorange'] = 'reversed'
    # Close to the axis: the page's legend follows.
    across['title'] = dict(text=chart.x_label, standoff=8)
    up['title'] = dict(text=chart.y_label, standoff=8)
    return dict(
        height=height,
        margin=dict(l=55, r=15, t=15, b=40),
        paper_bgcolor='rgba(0,0,0,0)',
        plot_bgcolor='rgba(0,0,0,0)',
        font=dict(color=INK_COLOR, size=13, family=_FONT),
        hovermode='closest',
        showlegend=False,
        xaxis=across,
        yaxis=up,
        barmode='relative',
    )


def _ticks(series: Sequence[Series]) -> dict[str, Any]:
    """Keep the ticks of a few rounds at whole numbers."""
    largest = max((float(v) for s in series for v in s.x), default=0.0)
    return dict(dtick=1) if largest <= 15 else {}
