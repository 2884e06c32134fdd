"""The best action of a search."""

from __future__ import annotations

import pytest
import torch

from mmada.controllers.best_action import BestAction


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
