import json
import math

import numpy as np
import pytest

from mmada.visualization.report.chart import (
    INK,
    Chart,
    Series,
    cloud,
    styles_of,
)
from mmada.visualization.report.plotly_chart import plotly_json
from mmada.visualization.report.static_chart import static_figure

CHART = Chart(
    'key',
    'title',
    'round',
    'weight',
    [
        cloud('a', [1, 2], np.array([[1.0, 2.0], [math.nan, 4.0]]), '#111111'),
        Series('a', [1, 2], [1.0, 4.0], 'line', '#111111', '--'),
        Series('b', [1, 2], [math.nan, 3.0], 'marked', INK),
    ],
    log=True,
    level=1.0,
    shaded=[2],
    shaded_label='no update',
)
BARS = Chart(
    'bars',
    'title',
    'difference',
    '',
    [Series('gain', ['x', 'y'], [2.0, -1.0], 'bars', '#111111')],
    sideways=True,
)


def test_replicas_stand_beside_the_centre_of_their_round():
    series = CHART.series[0]
    assert series.x == [0.75, 1.25, 2.25]
    assert list(series.y) == [1, 2, 4]
    assert cloud('a', [3], np.array([[5.0]]), INK).x == [3.0]


def test_plotly_has_the_numbers():
    figure = json.loads(plotly_json(CHART))
    dots, line, other = figure['data']
    assert (dots['mode'], line['mode']) == ('markers', 'lines')
    assert line['line'] == dict(color='#111111', dash='dash', width=2)
    assert [t['showlegend'] for t in figure['data']] == [False, True, True]
    assert other['y'] == [None, 3.0]
    assert other['line']['color'] == 'var(--ink)'
    level, shaded = figure['layout']['shapes']
    assert (level['y0'], level['y1']) == (1, 1)
    assert (shaded['x0'], shaded['x1']) == (1.5, 2.5)
    axis = figure['layout']['yaxis']
    assert axis['type'] == 'log'
    ticks = dict(zip(axis['tickvals'], axis['ticktext'], strict=True))
    assert ticks[0.5] == '0.5' and ticks[20.0] == '20'


def test_matplotlib_has_the_same():
    (axes,) = static_figure(CHART).axes
    line, other, level = axes.lines
    assert list(line.get_ydata()) == [1, 4]
    assert line.get_linestyle() == '--'
    assert np.isnan(other.get_ydata()[0])
    assert list(level.get_ydata()) == [1, 1]
    assert axes.get_yscale() == 'log'
    assert axes.collections[0].get_offsets().tolist() == [
        [0.75, 1],
        [1.25, 2],
        [2.25, 4],
    ]


def test_bars_that_lie():
    figure = json.loads(plotly_json(BARS))
    (bars,) = figure['data']
    assert (bars['x'], bars['y']) == ([2, -1], ['x', 'y'])
    assert bars['orientation'] == 'h'
    (axes,) = static_figure(BARS).axes
    assert [patch.get_width() for patch in axes.patches] == [2, -1]


@pytest.mark.parametrize('number', [10, 14])
def test_lines_differ_where_colours_run_out(number):
    styles = styles_of([f'p{i}' for i in range(number)])
    assert len(set(styles.values())) == number
    assert '#000000' not in {style.color for style in styles.values()}
