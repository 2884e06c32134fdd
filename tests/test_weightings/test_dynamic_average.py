from __future__ import annotations

import math

import pytest
import torch

from mmada.weightings import DynamicWeightAverage


def vector(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


UNKNOWN = vector(math.nan, math.nan)
FIRST, SECOND = vector(4.0, 2.0), vector(2.0, 3.0)


def test_weights_by_hand() -> None:
    weighting = DynamicWeightAverage()
    assert weighting.weights(1, 9, UNKNOWN).tolist() == [1, 1]
    assert weighting.weights(2, 9, FIRST).tolist() == [1, 1]
    # r = (2 / 4, 3 / 2), divided by a temperature of 2
    low, high = math.exp(0.25), math.exp(0.75)
    assert weighting.weights(3, 9, SECOND).tolist() == pytest.approx(
        [2 * low / (low + high), 2 * high / (low + high)]
    )
    # r = (4 / 2, 3 / 3)
    low, high = math.exp(0.5), math.exp(1)
    assert weighting.weights(4, 9, vector(4.0, 3.0)).tolist() == pytest.approx(
        [2 * high / (low + high), 2 * low / (low + high)]
    )


def test_a_low_temperature_leaves_one_objective() -> None:
    weighting = DynamicWeightAverage(temperature=0.01)
    weighting.weights(2, 9, FIRST)
    assert weighting.weights(3, 9, SECOND).tolist() == pytest.approx([0, 2])


def test_a_probe_is_no_epoch() -> None:
    weighting = DynamicWeightAverage()
    weighting.weights(1, 9, vector(7.0, 1.0))
    assert weighting.weights(2, 9, FIRST).tolist() == [1, 1]


def test_asked_twice_the_answer_is_the_same() -> None:
    weighting = DynamicWeightAverage()
    weighting.weights(2, 9, FIRST)
    found = weighting.weights(3, 9, SECOND)
    weighting = DynamicWeightAverage()
    weighting.weights(2, 9, FIRST)
    weighting.weights(2, 9, FIRST)
    assert torch.equal(weighting.weights(3, 9, SECOND), found)


def test_begun_in_the_middle_it_waits_for_two_epochs() -> None:
    weighting = DynamicWeightAverage()
    for losses in (UNKNOWN, FIRST):
        assert weighting.weights(5, 9, losses).tolist() == [1, 1]
    assert weighting.weights(6, 9, SECOND).tolist() != [1, 1]


def test_a_loss_of_zero_is_survived() -> None:
    weighting = DynamicWeightAverage()
    weighting.weights(2, 9, vector(0.0, 1.0))
    found = weighting.weights(3, 9, vector(0.5, 1.0))
    assert found.tolist() == [1, 1]  # as if it had not changed


def test_bad_values() -> None:
    with pytest.raises(ValueError, match='`temperature`.*0'):
        DynamicWeightAverage(0)
    with pytest.raises(ValueError, match='`losses`'):
        DynamicWeightAverage().weights(2, 9, vector(-1.0, 1.0))
