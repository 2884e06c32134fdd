"""The weights in force, without a model."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mmada.models import ObjectiveError, ObjectiveWeights

OBJECTIVES = dict(a='loss_a', b='loss_b')


@pytest.mark.parametrize(
    ('weights', 'message'),
    [
        ([1.0], '2 values, of a, b. Found 1'),
        ([1.0, float('nan')], 'finite'),
        ([1.0, float('inf')], 'finite'),
        ([1.0, -1.0], 'not negative'),
        (dict(c=1.0), "among a, b. Found 'c'"),
    ],
)
def test_bad_weights_are_named(weights: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ObjectiveWeights(OBJECTIVES, weights)


def test_weights_are_set_and_reset() -> None:
    weights = ObjectiveWeights(OBJECTIVES, dict(a=2.0))
    weights.set(torch.tensor([0.5, 3.0]))
    assert weights.values == (0.5, 3.0)
    weights.reset()
    assert weights.values == (2.0, 1.0)


def test_binding_names_what_the_model_lacks() -> None:
    weights = ObjectiveWeights(dict(a='loss_a', mask='loss_mask'))
    with pytest.raises(ObjectiveError, match="'mask'.*loss_a, loss_b.*late"):
        weights.bind(['loss_a', 'loss_b'])
