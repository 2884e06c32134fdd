from __future__ import annotations

import math

import pytest
import torch

from mmada.controllers.policy_kinds import build_policy
from mmada.policies.policy import (
    LOSS_FLOOR,
    ConstantPolicy,
    LossRatioPolicy,
    centred_log,
    loss_ratio,
    mean_one_weights,
)

LOSSES = torch.tensor([0.23, 0.05, 0.22, 1.17], dtype=torch.float64)


def test_paper_policy_starts_at_inverse_loss() -> None:
    policy = LossRatioPolicy(4, init_std=0)
    torch.testing.assert_close(
        policy.weights(LOSSES), LOSSES.mean() / LOSSES, rtol=1e-14, atol=0
    )


def test_paper_policy_is_initialised_around_one_over_inputs() -> None:
    policy = LossRatioPolicy(
        100, hidden=50, generator=torch.Generator().manual_seed(0)
    )
    layers = [m for m in policy.net if isinstance(m, torch.nn.Linear)]
    assert [tuple(m.weight.shape) for m in layers] == [
        (50, 100),
        (50, 50),
        (100, 50),
    ]
    for layer in layers:
        assert layer.weight.mean().item() == pytest.approx(
            1 / layer.in_features, abs=1e-3
        )
        assert layer.weight.std().item() == pytest.approx(0.01, rel=0.05)
        assert not layer.bias.any()
    assert [type(m).__name__ for m in policy.net] == [
        'Linear',
        'ReLU',
        'Linear',
        'ReLU',
        'Linear',
    ]


def test_loss_ratio_floors_and_detaches_the_losses() -> None:
    losses = torch.tensor([0.5, 0.0], dtype=torch.float64, requires_grad=True)
    outputs = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    ratio = loss_ratio(outputs, losses)
    assert ratio.tolist() == [2.0, 2.0 / LOSS_FLOOR]
    ratio.sum().backward()
    assert losses.grad is None and outputs.grad is not None


def test_centred_log_by_hand() -> None:
    losses = torch.tensor([1.0, math.e**3, 0.0])
    expected = torch.tensor([0.0, 3.0, math.log(LOSS_FLOOR)])
    torch.testing.assert_close(centred_log(losses), expected - expected.mean())


def test_mean_one_weights_by_hand() -> None:
    logs = torch.tensor([0.0, math.log(3.0)], dtype=torch.float64)
    torch.testing.assert_close(
        mean_one_weights(logs), torch.tensor([0.5, 1.5]).double()
    )
    torch.testing.assert_close(
        mean_one_weights(logs + 700), mean_one_weights(logs)
    )


def test_a_constant_policy_gives_its_weights_for_any_losses() -> None:
    weights = torch.tensor([0.5, 8.0, 1.0, 3.0], dtype=torch.float64)
    policy = ConstantPolicy.of(weights)
    for losses in (LOSSES, 7 * LOSSES.flip(0)):
        torch.testing.assert_close(
            policy.weights(losses), weights, rtol=1e-15, atol=0
        )
    # the action is what exploration adds noise to: doubling is + log 2
    torch.testing.assert_close(
        policy.decode(policy(LOSSES) + math.log(2)), 2 * weights
    )


def test_a_constant_policy_starts_at_ones_and_its_weights_can_be_learned() -> (
    None
):
    policy = ConstantPolicy(4)
    weights = policy.weights(LOSSES)
    assert weights.tolist() == [1, 1, 1, 1]
    (weights @ LOSSES).backward()
    # d exp(z) / dz = 1 at z = 0
    torch.testing.assert_close(policy.log_weights.grad, LOSSES)


def test_batches_of_losses() -> None:
    policy = LossRatioPolicy(4)
    batch = torch.stack([LOSSES, LOSSES.flip(0)])
    torch.testing.assert_close(
        policy.weights(batch)[1], policy.weights(LOSSES.flip(0))
    )
    assert all(p.dtype == torch.float64 for p in policy.parameters())


def test_build_policy_from_spec() -> None:
    policy = LossRatioPolicy(
        4, hidden=5, generator=torch.Generator().manual_seed(7)
    )
    copy = build_policy(policy.spec())
    copy.load_state_dict(policy.state_dict())
    assert torch.equal(copy.weights(LOSSES), policy.weights(LOSSES))


def test_build_a_constant_policy_from_its_spec() -> None:
    policy = ConstantPolicy.of(LOSSES)
    assert policy.spec() == dict(kind='constant', num_objectives=4)
    copy = build_policy(policy.spec())
    copy.load_state_dict(policy.state_dict())
    assert torch.equal(copy.weights(LOSSES), policy.weights(LOSSES))
    batch = torch.stack([LOSSES, 2 * LOSSES])
    torch.testing.assert_close(copy.weights(batch), LOSSES.expand(2, 4))


@pytest.mark.parametrize(
    ('spec', 'message'),
    [
        (dict(kind='other'), "`kind`.*'other'"),
        (dict(kind=['loss_ratio']), '`kind`'),
        (dict(), '`kind`.*None'),
        (
            dict(kind='loss_ratio', num_objectives=1, hidden=4),
            '`num_objectives`.*1',
        ),
        (dict(kind='loss_ratio', num_objectives=4, hidden=0), '`hidden`.*0'),
        (dict(kind='constant', num_objectives=1), '`num_objectives`.*1'),
    ],
)
def test_build_policy_refuses(spec: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_policy(spec)
