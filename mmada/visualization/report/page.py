"""Panels as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from mmada.visualization.report.chart import Chart
from mmada.visualization.report.panels import Panel
from mmada.visualization.report.plotly_chart import plotly_json

ASSETS = Path(__file__).parent / 'assets'


def render_page(
    title: str, state: str, panels: Sequence[Panel], refresh: int = 0
) -> str:
    """Render a report.

    Args:
        title: Of the page.
        state: How far the run is.
        panels: Its sections.
        refresh: Seconds after which an open page is loaded again; 0 for
            never.
    """
    environment = Environment(
        loader=FileSystemLoader(ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    environment.filters['figure'] = _embed
    plots = any(panel.charts for panel in panels)
    return environment.get_template('page.html.jinja').render(
        title=title,
        state=state,
        panels=panels,
        refresh=refresh,
        style=_asset('style.css'),
        script=_asset('page.js'),
        plotly=Markup(get_plotlyjs()) if plots else '',
    )


def _asset(name: str) -> Markup:
    return Markup((ASSETS / name).read_text(encoding='utf-8'))


def _embed(chart: Chart) -> Markup:
    """Return a chart's JSON so that it cannot end its element."""
    return Markup(plotly_json(chart).replace('<', '\\u003c'))
