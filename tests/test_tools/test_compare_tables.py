"""Tables and picture of the comparison."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.scripts import load


@pytest.fixture
def tools():
    names = ('figure', 'method', 'rows', 'scoring', 'tables')
    return {name: load(f'benchmarks/compare/{name}.py') for name in names}


@pytest.fixture
def rows(tools):
    def row(name, values, cost, differences):
        results = {
            seed: tools['rows'].Result(
                dict(PQ=pq, PQ_th=1.0, PQ_st=2.0, SQ=3.0, RQ=4.0),
                pq,
                cost,
                10.0,
                np.zeros(2),
            )
            for seed, pq in enumerate(values)
        }
        method = tools['method'].Method(name, 'control')
        scoring = tools['scoring'].SCORINGS['panoptic quality']
        return tools['rows'].Row(method, results, differences, 1.5, scoring)

    against = tools['rows'].Difference(2.0, (1.5, 2.5), (-1.0, 5.0), 2)
    return [
        row('ones', [40.0, 42.0], 1.0, {}),
        row('other', [42.0, 44.0], 4.25, {'ones': against}),
    ]


def cells(table, name):
    lines = [x for x in table.splitlines() if x.startswith(f'| {name} ')]
    return [[c.strip() for c in x.split('|')[1:-1]] for x in lines]


def test_table_has_results_and_differences(tools, rows):
    table = tools['tables'].tables_markdown({'small': rows, 'empty': []})
    assert '## small' in table
    assert 'empty' not in table
    results, differences = cells(table, 'other')
    assert results == [
        *('other', '2', '43.00 ± 1.41', '3.00 ± 0.00', '4.00 ± 0.00'),
        *('1.00 ± 0.00', '2.00 ± 0.00', '4.25', '1.50'),
    ]
    found = '+2.00 [+1.50, +2.50] (-1.00, +5.00)'
    # No row of Baseline-G, nor of inverse-loss weighting and that of kinds.
    assert differences == ['other', found, '-', '-', '-']


def test_problems_count_alike_whatever_their_seeds(tools, rows):
    ones, other = rows
    worse = {
        seed: result._replace(score=39.0)
        for seed, result in other.results.items()
    }
    problems = dict(
        a=rows,
        b=[ones, other._replace(results={0: worse[0]})],
        c=[ones],
    )
    pooled = tools['rows'].pool(problems, 'other', 'ones')
    # +2 twice on a, -1 once on b, nothing on c.
    assert (pooled.won, pooled.problems) == (2, 2)
    assert pooled.difference.seeds == 3
    assert pooled.difference.mean == pytest.approx((2 - 1) / 2)
    assert pooled.difference.bootstrap == (0, 0)  # as the rows' draws are
    assert tools['rows'].pool(problems, 'ones', 'ones') is None
    assert tools['rows'].pool(problems, 'other', 'uncertainty') is None

    table = tools['tables'].tables_markdown(problems)
    (header,) = cells(table.split('## All problems')[1], 'method')
    assert header[2:] == [
        *('against ones', 'against inverse-loss'),
        *('against inverse-loss of kinds', 'against uncertainty'),
    ]
    (line,) = cells(table.split('## All problems')[1], 'other')
    found = '2 of 3: +0.50 [+0.00, +0.00]'
    assert line == ['other', '2', found, '-', '-', '-']
    assert 'All problems' not in tools['tables'].tables_markdown({'a': rows})


def test_picture_has_a_panel_a_problem(tools, rows):
    figure = tools['figure'].compare_figure({'a': rows, 'b': rows, 'c': []})
    panels = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title(loc='left') for axes in panels] == ['a', 'b']
    texts = [text.get_text().split() for text in panels[0].texts]
    assert ['1', 'other', '43.0', '4.25x'] in texts
    assert ['2', 'ones', '41.0', '1x'] in texts
    with pytest.raises(ValueError, match='at least one row'):
        tools['figure'].compare_figure({'a': []})


def test_gains_are_named_in_one_panel(tools, rows):
    (axes,) = tools['figure'].gain_figure({'a': rows, 'b': rows}).axes
    (label,) = axes.texts
    assert label.get_text() == 'other, +2.0'
    assert label.xy == (4.25, 2.0)
    # All of it is right of the point, and inside.
    assert 4.25 < label.xyann[0] < axes.get_xlim()[1]
    with pytest.raises(ValueError, match='Found ones'):
        tools['figure'].gain_figure({'a': rows[:1]})


def test_labels_that_touch_move_apart(tools):
    spread_out = tools['figure'].spread_out
    assert spread_out([0.5, 0.2, 0.8], 0.1) == pytest.approx([0.5, 0.2, 0.8])
    assert spread_out([0.5, 0.5], 0.1) == pytest.approx([0.45, 0.55])
    placed = spread_out([0.0, 0.01, 0.02, 0.9], 0.1)
    assert placed == pytest.approx([0.05, 0.15, 0.25, 0.9])
    low = spread_out([1.0] * 3, 0.1)
    assert low == pytest.approx([0.75, 0.85, 0.95])
