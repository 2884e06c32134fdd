from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from mmada.weightings import StaticWeighting

LOSSES = torch.tensor([0.5, 2.0])


@pytest.mark.parametrize(
    'weights', [[1, 3], (1.0, 3.0), torch.tensor([1.0, 3.0])]
)
def test_the_same_weights_in_every_epoch(weights) -> None:
    weighting = StaticWeighting(weights)
    for epoch in (1, 2, 5):
        given = weighting.weights(epoch, 5, LOSSES * epoch)
        assert given.tolist() == [1, 3] and given.dtype == torch.float64
        given += 7  # a caller's change is the caller's own
    assert not weighting.needs_losses


@pytest.mark.parametrize('weights', [[], [1, 0], [1, -1], [1, float('nan')]])
def test_bad_weights(weights: list[float]) -> None:
    with pytest.raises(ValueError, match='`weights`'):
        StaticWeighting(weights)


@pytest.mark.parametrize('weights', [{'cls': 1}, 'abc', None, ['x']])
def test_what_is_no_list_of_numbers_is_named(weights: Any) -> None:
    message = f'`weights` should be numbers.*Found {re.escape(repr(weights))}'
    with pytest.raises(ValueError, match=message):
        StaticWeighting(weights)


def test_there_is_no_state() -> None:
    weighting = StaticWeighting([1, 2])
    assert weighting.state_dict() == {}
    weighting.load_state_dict({})
    with pytest.raises(ValueError, match=r"StaticWeighting.*\['losses'\]"):
        weighting.load_state_dict(dict(losses=1))
