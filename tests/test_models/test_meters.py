"""Means of losses, by hand and where losses are absent."""

import math

import torch

from mmada.models.meters import PeriodMeans

INF, NAN = math.inf, math.nan


def means(*losses):
    found = PeriodMeans(2)
    for index, row in enumerate(losses):
        found.add([index, 1.0], torch.tensor(row, dtype=torch.float64))
    return found


def test_a_loss_counts_where_it_is_finite():
    found = means([1.0, NAN], [INF, 5.0], [3.0, -INF])
    assert found.losses.tolist() == [2.0, 5.0]
    assert found.weights == [1.0, 1.0]


def test_what_was_always_absent_has_no_mean():
    found = means([1.0, NAN], [2.0, INF]).losses
    assert found[0] == 1.5
    assert found[1].isnan()


def test_a_state_is_a_copy_and_goes_on():
    first, second = means([1.0, 2.0]), PeriodMeans(2)
    state = first.state_dict()
    second.load_state_dict(state)
    for each in (first, second):
        each.add([1.0, 1.0], torch.tensor([3.0, 4.0]).double())
        assert each.losses.tolist() == [2.0, 3.0]
    assert state['sums'][1].tolist() == [1.0, 2.0]
