"""Population-based training: what is passed on, and what is perturbed."""

from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from mmada.controllers import PopulationTraining, Start

LOSSES = torch.tensor([0.4, 0.2], dtype=torch.float64)
NAN = float('nan')


def search(**changes: Any) -> PopulationTraining:
    options = dict(num_objectives=2, num_rounds=3, num_replicas=3)
    return PopulationTraining(**(options | changes))


def observe(controller: PopulationTraining, *metrics: float):
    return controller.observe(torch.tensor(metrics), 5.0)


def test_rounds_go_on_from_the_best_replica() -> None:
    assert PopulationTraining.start is Start.BEST


def test_the_first_replica_keeps_the_winners_weights() -> None:
    controller = search()
    first = controller.propose(LOSSES)
    assert first[0].tolist() == [1, 1]
    assert observe(controller, 1.0, 2.0, 3.0).best == 2
    second = controller.propose(LOSSES)
    assert torch.equal(second[0], first[2])
    observe(controller, 9.0, 2.0, 3.0)
    assert torch.equal(controller.propose(LOSSES)[0], first[2])


def test_the_others_perturb_the_winners_weights() -> None:
    controller = search(initial=[2.0, 0.5], sigma=0.1, seed=3)
    stream = torch.Generator().manual_seed(3)
    centre = torch.tensor([2.0, 0.5], dtype=torch.float64)
    for best in (2, 1):
        noise = torch.randn(2, 2, dtype=torch.float64, generator=stream)
        weights = controller.propose(LOSSES)
        torch.testing.assert_close(
            (weights[1:] / centre).log(), 0.1 * noise, rtol=1e-12, atol=1e-14
        )
        observe(controller, *(float(k == best) for k in range(3)))
        centre = weights[best]


def test_a_round_without_survivors_keeps_the_centre() -> None:
    controller = search(initial=[2.0, 0.5])
    first = controller.propose(LOSSES)
    observe(controller, NAN, NAN, NAN)
    second = controller.propose(LOSSES)
    assert second[0].tolist() == [2, 0.5]
    assert (second[1:] != first[1:]).all()


def test_rewards_are_standardised_metrics() -> None:
    controller = search(num_replicas=4)
    controller.propose(LOSSES)
    # of 1, 3 and 2: mean 2, variance 2 / 3
    rewards = observe(controller, 1.0, 3.0, NAN, 2.0).rewards
    assert rewards.tolist() == pytest.approx([-(1.5**0.5), 1.5**0.5, -1, 0])


def test_the_ensemble_replays_the_winners() -> None:
    controller, winners = search(), []
    for best in (2, 0, 1):
        weights = controller.propose(LOSSES)
        observe(controller, *(float(k == best) for k in range(3)))
        winners.append(weights[best])
    ensemble = controller.ensemble()
    assert [policy.kind for policy in ensemble.policies] == ['constant'] * 3
    for epoch, winner in enumerate(winners, 1):
        given = ensemble.weights(epoch, 3, LOSSES * epoch)
        torch.testing.assert_close(given, winner)
    # six epochs: epochs 2, 4 and 6 lie beside rounds 1, 2 and 3
    torch.testing.assert_close(ensemble.weights(4, 6, LOSSES), winners[1])
    assert torch.equal(ensemble.best_weights, winners[2])


def test_a_larger_gamma_blends_rounds() -> None:
    controller, winners = search(gamma=0.5, num_rounds=2), []
    for best in (1, 2):
        weights = controller.propose(LOSSES)
        observe(controller, *(float(k == best) for k in range(3)))
        winners.append(weights[best])
    # epoch 1 of 2 lies beside round 1, one round from round 2
    torch.testing.assert_close(
        controller.ensemble().weights(1, 2, LOSSES),
        (winners[0] + 0.5 * winners[1]) / 1.5,
    )


def test_one_replica_is_a_plain_training() -> None:
    controller = search(num_replicas=1)
    for _ in range(3):
        assert controller.propose(LOSSES).tolist() == [[1, 1]]
        observe(controller, 1.0)


def test_weights_stay_above_the_floor() -> None:
    controller = search(initial=[0.001, 1.0], sigma=1.0, num_replicas=50)
    weights = controller.propose(LOSSES)
    assert weights.min() == 0.001 and (weights[:, 0] > 0.001).any()


def test_the_provenance_says_how_it_was_built() -> None:
    controller = search(initial=(1, 2), sigma=0.3, seed=4)
    controller.propose(LOSSES)
    observe(controller, 1.0, 2.0, 3.0)
    assert controller.ensemble().provenance == dict(
        controller='PopulationTraining',
        seed=4,
        num_objectives=2,
        num_replicas=3,
        num_rounds=3,
        options=dict(sigma=0.3, initial=[1.0, 2.0], gamma=1e-300),
    )


def test_another_sigma_is_another_search() -> None:
    state = search().state_dict()
    with pytest.raises(ValueError, match='sigma was 0.2 and is 0.3'):
        search(sigma=0.3).load_state_dict(state)


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('sigma', 0),
        ('sigma', '1'),
        ('gamma', 0),
        ('gamma', 1.5),
        ('initial', [1.0]),
        ('initial', [1.0, -1.0]),
    ],
)
def test_bad_options_are_refused(name: str, value: Any) -> None:
    with pytest.raises(
        ValueError, match=f'`{name}`.*{re.escape(repr(value))}'
    ):
        search(**{name: value})
