from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mmada.controllers import (
    ConstantPolicy,
    LossRatioPolicy,
    PolicyEnsemble,
    ensemble_coefficients,
)


def constant_policy(value: float) -> LossRatioPolicy:
    """A policy with pi(l) = value for both objectives."""
    policy = LossRatioPolicy(2, hidden=1)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.zero_()
        policy.net[-1].bias.fill_(value)
    return policy


def vector(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def ensemble(*values: float, **changes) -> PolicyEnsemble:
    options = dict(initial_losses=vector(1, 2), best_weights=vector(3, 4))
    return PolicyEnsemble(
        policies=tuple(map(constant_policy, values)), **options | changes
    )


# T = 2, E = 3: epoch e lies at e 2/3, that is at 2/3, 4/3 and 2.
DISTANCES = {1: (1 / 3, 4 / 3), 2: (1 / 3, 2 / 3), 3: (1, 0)}


@pytest.mark.parametrize('epoch', [1, 2, 3])
def test_coefficients_by_hand(epoch: int) -> None:
    first, second = (0.9**distance for distance in DISTANCES[epoch])
    total = first + second
    torch.testing.assert_close(
        ensemble_coefficients(epoch, 3, 2, 0.9),
        vector(first / total, second / total),
    )


def test_weights_by_hand() -> None:
    # pi^1 / l = (1, 2) and pi^2 / l = (4, 8) for l = (1, 0.5)
    first, second = 0.9 ** (1 / 3), 0.9 ** (2 / 3)
    share = second / (first + second)
    weights = ensemble(1.0, 4.0).weights(2, 3, vector(1, 0.5))
    torch.testing.assert_close(weights, vector(1 + 3 * share, 2 + 6 * share))


def test_equally_many_epochs_as_rounds_put_round_e_beside_epoch_e() -> None:
    for epoch in range(1, 6):
        shares = ensemble_coefficients(epoch, 5, 5, 0.9)
        assert int(shares.argmax()) == epoch - 1


def test_small_gamma_far_away_does_not_underflow() -> None:
    shares = ensemble_coefficients(1, 1000, 2, 1e-300)
    assert shares.isfinite().all() and shares.sum() == 1


def test_gamma_one_is_the_mean() -> None:
    torch.testing.assert_close(
        ensemble_coefficients(1, 7, 4, 1.0), torch.full((4,), 0.25).double()
    )


def test_floor_is_applied_after_averaging() -> None:
    # pi / l = -1 and 3: averaging floored ones would give (0.001 + 3) / 2
    both = ensemble(-1.0, 3.0, gamma=1.0)
    torch.testing.assert_close(both.weights(1, 3, vector(1, 1)), vector(1, 1))
    negative = ensemble(-5.0, 3.0, gamma=1.0)
    assert negative.weights(1, 3, vector(1, 1)).tolist() == [1e-3, 1e-3]


def test_last_weights_use_the_last_policy_alone() -> None:
    torch.testing.assert_close(
        ensemble(1.0, 4.0).last_weights(vector(1, 0.5)), vector(4, 8)
    )


def test_names_and_initial_losses_are_given_to_copies() -> None:
    nameless = ensemble(1.0)
    named = nameless.named(['a', 'b']).with_initial_losses(vector(5, 1e-9))
    assert named.objectives == ('a', 'b') and nameless.objectives == ()
    assert named.initial_losses.tolist() == [5, 1e-4]
    assert nameless.initial_losses.tolist() == [1, 2]


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(gamma=0.0), '`gamma`'),
        (dict(gamma=1.1), '`gamma`'),
        (dict(floor=0.0), '`floor`'),
        (dict(objectives=('a',)), "`objectives`.*'a'"),
        (dict(objectives=('a', 'a')), '`objectives`'),
        (dict(initial_losses=vector(1, -1)), '`initial_losses`'),
        (dict(initial_losses=vector(1, 1, 1)), '`initial_losses`'),
        (dict(best_weights=vector(0, 1)), '`best_weights`'),
        (dict(policies=()), '`policies`'),
        (
            dict(policies=(LossRatioPolicy(2), ConstantPolicy(2))),
            '`policies`',
        ),
    ],
)
def test_parts_that_do_not_fit(changes: dict, message: str) -> None:
    options = dict(
        policies=(constant_policy(1),),
        initial_losses=vector(1, 2),
        best_weights=vector(3, 4),
    )
    with pytest.raises(ValueError, match=message):
        PolicyEnsemble(**options | changes)


@pytest.mark.parametrize(
    ('epoch', 'num_epochs'), [(0, 3), (4, 3), (1, 0), (1.0, 3)]
)
def test_epochs_out_of_range(epoch: int, num_epochs: int) -> None:
    with pytest.raises(ValueError, match='epoch'):
        ensemble(1.0).weights(epoch, num_epochs, vector(1, 1))
