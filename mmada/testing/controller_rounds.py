"""Rounds of a controller under test, played on a made-up metric."""

from __future__ import annotations

import io
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mmada.controllers import Controller, Rest, RoundResult

LOSSES = torch.tensor([0.23, 0.05, 1.17, 0.2], dtype=torch.float64)
"""Raw mean losses that the suites propose with in the first round."""


class PlayedRound(NamedTuple):
    """One round: what was proposed, what it reached, what was learned."""

    actions: Tensor
    metrics: Tensor
    result: RoundResult


def metrics_of(actions: Tensor, round_index: int) -> Tensor:
    """Return a metric that likes ones and rises from round to round."""
    return 50.0 + round_index - (actions - 1).square().sum(-1)


def play(
    controller: Controller, num_rounds: int, first: int = 0
) -> list[PlayedRound]:
    """Play rounds on slowly falling losses; replicas that rest have NaN.

    Args:
        controller: Between two rounds.
        num_rounds: How many.
        first: Index of the first one, from 0.
    """
    rounds = []
    for index in range(first, first + num_rounds):
        actions = controller.propose(LOSSES * 0.9**index)
        rests = [isinstance(entry, Rest) for entry in controller.plan()]
        metrics = metrics_of(actions, index)
        metrics[torch.tensor(rests)] = torch.nan
        result = controller.observe(metrics, 50.0 if index else None)
        rounds.append(PlayedRound(actions, metrics, result))
    return rounds


def assert_same(first: list[PlayedRound], second: list[PlayedRound]) -> None:
    """Assert that two searches went the same way, to the bit."""
    assert len(first) == len(second)
    for ours, theirs in zip(first, second, strict=True):
        assert torch.equal(ours.actions, theirs.actions)
        assert_same_result(ours.result, theirs.result)


def assert_same_result(first: RoundResult, second: RoundResult) -> None:
    """Assert that two rounds taught the same, to the bit."""
    assert torch.equal(first.rewards, second.rewards)
    assert first._replace(rewards=second.rewards) == second


def through_a_file(state: dict[str, Any]) -> dict[str, Any]:
    """Return a state as a resumed run reads it back."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)
