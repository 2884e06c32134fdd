import numpy as np
import pytest
import torch

from mmada.surrogates import (
    find_surrogate,
    identity_action,
    identity_points,
)
from mmada.visualization import curves_figure


def search(metric, rounds=2):
    shape = find_surrogate(metric).shape
    mean = identity_action(shape).tolist()
    return metric, [mean] * rounds, identity_points(shape)


def test_one_row_a_search_and_one_panel_a_curve():
    figure = curves_figure([search('mIoU'), search('BF1', 3)])
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
    panel = curves_figure([(metric, means, points)]).axes[0]
    identity, mean, found = panel.lines
    assert identity.get_linestyle() == '--'
    assert np.allclose(mean.get_xdata(), mean.get_ydata(), atol=1e-6)
    y = torch.as_tensor(found.get_ydata())
    assert y[0] == 0 and y[100] > 0.9 and y[-1] == pytest.approx(1)


def test_no_search_is_refused():
    with pytest.raises(ValueError, match='`searches` should not be empty'):
        curves_figure([])
