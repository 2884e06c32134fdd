"""Costs worked out by hand."""

import pytest

from mmada.utils.costs import Counts, Unit, cost, total


def test_cost_of_a_search_by_hand():
    # 4 trainings of 100 iterations; 50 images of 0.1 s beside 100 iterations
    # of 0.25 s a training: 400 / 100 + 50 * 0.1 / 25.
    unit = Unit(iterations=100, iteration=0.25, image=0.1)
    assert cost(Counts(400, 50, 123.0), unit) == pytest.approx(4.2)


def test_total_adds_up():
    parts = [Counts(1, 2, 3.0), Counts(10, 20, 30.0)]
    assert total(parts) == (11, 22, 33.0)
    assert total([]) == (0, 0, 0.0)
