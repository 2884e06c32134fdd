"""What searches for weights share: draws, and the best action."""

from __future__ import annotations

import math

import pytest
import torch

from mmada.controllers.weight_search import BestAction, log_normal


def test_draws_are_factors_on_the_centre() -> None:
    centre = torch.tensor([1.0, 4.0], dtype=torch.float64)
    draws = log_normal(centre, 0.3, 3, torch.Generator().manual_seed(5))
    noise = torch.randn(
        3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(5)
    )
    torch.testing.assert_close(
        draws, torch.stack([math.e ** (0.3 * row) * centre for row in noise])
    )


def test_sigma_is_the_spread_of_the_logarithm() -> None:
    draws = log_normal(
        torch.tensor([0.5, 2.0], dtype=torch.float64),
        0.3,
        20_000,
        torch.Generator().manual_seed(0),
    )
    assert draws.log().std(0).tolist() == pytest.approx([0.3] * 2, rel=0.02)
    medians = draws.median(0).values.tolist()
    assert medians == pytest.approx([0.5, 2.0], rel=0.02)


def test_the_first_of_the_largest_is_kept() -> None:
    best = BestAction()
    for action, metric in ((1.0, 3.0), (2.0, 5.0), (3.0, 5.0), (4.0, -1.0)):
        best.note(torch.tensor([action]), torch.tensor(metric))
    assert best.action.tolist() == [2] and best.metric == 5


def test_what_is_handed_out_is_a_copy() -> None:
    best, action = BestAction(), torch.ones(2)
    best.note(action, torch.tensor(1.0))
    action.zero_()
    best.action.zero_()
    assert best.action.tolist() == [1, 1]


def test_nothing_is_known_at_first() -> None:
    for name in ('action', 'metric'):
        with pytest.raises(RuntimeError, match='before a round'):
            getattr(BestAction(), name)
