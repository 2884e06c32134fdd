"""One rule for all weightings of what is a measurement of a loss.

Each plays the training of its conformance suite, in which the second
objective is at times without a measurement.
"""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

import mmada.weightings
from mmada.testing.weightings import losses_of
from mmada.weightings import (
    AggregatorWeighting,
    DynamicWeightAverage,
    GradientWeighting,
    InverseLossWeighting,
    StepWeighting,
    Weighting,
)
from tests.test_weightings import test_conformance

PERIODS = 6
SUITES = {
    name: suite
    for name, suite in vars(test_conformance).items()
    if name.startswith('Test')
}
ALL = pytest.mark.parametrize('suite', SUITES.values(), ids=SUITES)


def built(suite: type) -> object:
    if 'Aggregator' in suite.__base__.__name__:
        pytest.importorskip('torchjd', reason='[torchjd] is not installed')
    return suite().new()


def play(suite: type, absent: float | None, periods: range) -> Tensor:
    """The weights of all periods, with a loss that is absent in some."""
    weighting = built(suite)
    return torch.stack(
        [
            suite().train_period(
                weighting, k, absent if k in periods else None
            )
            for k in range(PERIODS)
        ]
    )


def test_all_weightings_are_played() -> None:
    concrete = {
        kind
        for name in mmada.weightings.__all__
        if isinstance(kind := getattr(mmada.weightings, name), type)
        and issubclass(kind, Weighting | StepWeighting | GradientWeighting)
        and not kind.__abstractmethods__
    }
    played = set()
    for suite in SUITES.values():
        try:
            played.add(type(suite().build()))
        except ImportError:
            played.add(AggregatorWeighting)
    assert concrete == played


@ALL
@pytest.mark.parametrize('value', [0.0, -0.0, math.inf, -math.inf])
@pytest.mark.parametrize('periods', [range(2, 4), range(PERIODS)])
def test_whatever_stands_for_no_measurement_is_the_same(
    suite: type, value: float, periods: range
) -> None:
    expected = play(suite, math.nan, periods)
    assert torch.equal(play(suite, value, periods), expected)


@ALL
@pytest.mark.parametrize('value', [0.0, math.nan, math.inf])
@pytest.mark.parametrize('periods', [range(2, 4), range(PERIODS)])
def test_the_others_do_not_suffer(
    suite: type, value: float, periods: range
) -> None:
    found, regular = play(suite, value, periods), play(suite, None, periods)
    if suite.__name__ == 'TestNashMtl':  # it remembers, and needs all rows
        assert (found[2:4] == found[2]).all()
        return
    first, third = found[:, 0], found[:, 2]
    share = first * regular[:, 2] + 1e-9, third * regular[:, 0] + 1e-9
    assert (share[0] <= 2 * share[1]).all()
    assert (share[1] <= 2 * share[0]).all()
    assert (found[:, 1] <= 2 * regular.amax()).all()


@ALL
def test_a_negative_loss_is_refused_by_name_or_makes_no_difference(
    suite: type,
) -> None:
    weighting = built(suite)
    weighting.begin(suite.objectives)
    losses = losses_of(0, 3)
    losses[1] = -2.0
    if weighting.compares_losses:
        with pytest.raises(ValueError, match="Found -2 of 'bbox'"):
            weighting.check_losses(losses)
        with pytest.raises(ValueError, match="Found -2 of 'bbox'"):
            for period in range(2):
                suite().train_period(weighting, period, -2.0)
        return
    weighting.check_losses(losses)
    found = play(suite, -2.0, range(PERIODS))
    assert torch.equal(found, play(suite, 2.0, range(PERIODS)))


def vector(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize('value', [0.0, math.nan, math.inf])
def test_inverse_loss_by_hand(value: float) -> None:
    # 4 and 1 have the geometric mean 2: weights 1/4, 1/1 and 1/2, mean 7/12.
    found = InverseLossWeighting().weights(1, 3, vector(4.0, value, 1.0))
    torch.testing.assert_close(found, vector(3, 6, 12) / 7)
    nothing = InverseLossWeighting().weights(1, 3, vector(value, value))
    assert nothing.tolist() == [1, 1]


@pytest.mark.parametrize('value', [0.0, math.nan, math.inf])
def test_dynamic_average_by_hand(value: float) -> None:
    weighting = DynamicWeightAverage()
    weighting.weights(2, 9, vector(4.0, value))
    # r = 2 / 4, and 1 for what is not known, divided by 2
    low, high = math.exp(0.25), math.exp(0.5)
    found = weighting.weights(3, 9, vector(2.0, 3.0))
    expected = vector(low, high) * 2 / (low + high)
    torch.testing.assert_close(found, expected)


def test_a_loss_that_rises_from_almost_nothing_does_not_take_all() -> None:
    weighting = DynamicWeightAverage()
    weighting.weights(2, 9, vector(1.0, 1.0, 1e-6))
    found = weighting.weights(3, 9, vector(1.0, 1.0, 1.0))
    # r = 1, 1 and 4 in place of 1e6, divided by 2
    low, high = math.exp(0.5), math.exp(2.0)
    expected = vector(low, low, high) * 3 / (2 * low + high)
    torch.testing.assert_close(found, expected)
    weighting = DynamicWeightAverage(max_ratio=1e9)
    weighting.weights(2, 9, vector(1.0, 1.0, 1e-6))
    found = weighting.weights(3, 9, vector(1.0, 1.0, 1.0))
    assert found.tolist() == pytest.approx([0, 0, 3])


def test_bad_ratio() -> None:
    with pytest.raises(ValueError, match='`max_ratio`.*0.5'):
        DynamicWeightAverage(max_ratio=0.5)
