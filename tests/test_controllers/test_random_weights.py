"""The control without learning: selection alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mmada.controllers import RandomWeights, Start

LOSSES = torch.tensor([0.4, 0.2], dtype=torch.float64)


def search(**changes: Any) -> RandomWeights:
    options = dict(num_objectives=2, num_rounds=3, num_replicas=3)
    return RandomWeights(**(options | changes))


def play(controller: RandomWeights, *best: int) -> list[torch.Tensor]:
    """Weights of each round, of which replica `best` wins."""
    rounds = []
    for winner in best:
        rounds.append(controller.propose(LOSSES))
        controller.observe(
            torch.tensor([float(k == winner) for k in range(3)]), None
        )
    return rounds


def test_rounds_go_on_from_the_best_replica() -> None:
    assert RandomWeights.start is Start.BEST


def test_draws_lie_around_the_initial_weights() -> None:
    (weights,) = play(search(initial=[2.0, 0.5], sigma=0.4, seed=9), 0)
    noise = torch.randn(
        3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(9)
    )
    torch.testing.assert_close(
        weights.log(), torch.tensor([2.0, 0.5]).double().log() + 0.4 * noise
    )


def test_winners_change_nothing() -> None:
    first, second = play(search(), 0, 0, 0), play(search(), 2, 1, 1)
    for ours, theirs in zip(first, second, strict=True):
        assert torch.equal(ours, theirs)


def test_every_round_is_drawn_anew() -> None:
    first, second, third = play(search(), 0, 0, 0)
    assert (first != second).all() and (second != third).all()


def test_the_ensemble_replays_the_winners() -> None:
    controller = search()
    rounds = play(controller, 2, 0, 1)
    ensemble = controller.ensemble()
    for epoch, winner in enumerate((2, 0, 1), 1):
        torch.testing.assert_close(
            ensemble.weights(epoch, 3, LOSSES), rounds[epoch - 1][winner]
        )
    assert torch.equal(ensemble.best_weights, rounds[2][1])


@pytest.mark.parametrize(
    ('name', 'value'), [('sigma', 0), ('gamma', 2), ('initial', 1.0)]
)
def test_bad_options_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f'`{name}`.*{value}'):
        search(**{name: value})
