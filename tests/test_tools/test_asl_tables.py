"""Tables and pictures of scores and of curves."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmada.surrogates import (
    find_surrogate,
    identity_action,
    identity_points,
)
from tests.support.scripts import load

asl_tables = load('benchmarks/auto_seg_loss/asl_tables.py')

SCORES = {
    'cross entropy': dict(mIoU=[60.0, 62.0], BF1=[50.0, 50.0]),
    'searched': dict(mIoU=[64.0, 66.0], BF1=[49.0, 50.0]),
}


def test_means_deviations_and_the_best_of_each_column():
    assert asl_tables.scores_markdown(
        SCORES, ['mIoU', 'BF1']
    ).splitlines() == [
        '| loss | mIoU | BF1 |',
        '| --- | ---: | ---: |',
        '| cross entropy | 61.0 ± 1.4 | **50.0 ± 0.0** |',
        '| searched | **65.0 ± 1.4** | 49.5 ± 0.7 |',
    ]


def test_one_seed_has_no_deviation():
    scores = dict(a=dict(m=[1.25]))
    assert (
        asl_tables.scores_markdown(scores, ['m']).splitlines()[-1]
        == '| a | **1.2** |'
    )


def test_the_picture_has_every_cell_shaded_within_its_column():
    figure = asl_tables.scores_figure(SCORES, ['mIoU', 'BF1'])
    (axes,) = figure.axes
    assert axes.images[0].get_array().tolist() == [[0, 1], [1, 0]]
    texts = {t.get_text(): t.get_weight() for t in axes.texts}
    assert texts['65.0 ± 1.4'] == texts['50.0 ± 0.0'] == 'bold'
    assert texts['61.0 ± 1.4'] == 'normal'
    assert [t.get_text() for t in axes.get_yticklabels()] == list(SCORES)


def test_equal_scores_are_drawn():
    asl_tables.scores_figure(dict(a=dict(m=[1.0]), b=dict(m=[1.0])), ['m'])


@pytest.mark.parametrize(('scores', 'columns'), [({}, ['m']), (SCORES, [])])
def test_nothing_to_draw_is_named(scores, columns):
    with pytest.raises(ValueError, match='should not be empty'):
        asl_tables.scores_figure(scores, columns)


def search(metric, rounds=2):
    shape = find_surrogate(metric).shape
    mean = identity_action(shape).tolist()
    return metric, [mean] * rounds, identity_points(shape)


def test_one_row_a_search_and_one_panel_a_curve():
    figure = asl_tables.curves_figure([search('mIoU'), search('BF1', 3)])
    titles = [axes.get_title() for axes in figure.axes]
    assert titles == [
        *['mIoU: h1', 'mIoU: h2', '', ''],
        *[f'BF1: h{i}' for i in (1, 2, 3, 4)],
    ]
    lines = [len(axes.lines) for axes in figure.axes]
    assert lines == [4, 4, 0, 0, 5, 5, 5, 5]  # identity, rounds, found
    assert not figure.axes[2].axison


def test_curves_are_those_of_the_actions():
    metric, means, points = search('mAcc', 1)
    points = points.clone()
    points[0, :, 1] = 1.0  # jumps to 1 at once
    panel = asl_tables.curves_figure([(metric, means, points)]).axes[0]
    identity, mean, found = panel.lines
    assert identity.get_linestyle() == '--'
    assert np.allclose(mean.get_xdata(), mean.get_ydata(), atol=1e-6)
    y = torch.as_tensor(found.get_ydata())
    assert y[0] == 0 and y[100] > 0.9 and y[-1] == pytest.approx(1)


def test_no_search_is_refused():
    with pytest.raises(ValueError, match='at least one search'):
        asl_tables.curves_figure([])
