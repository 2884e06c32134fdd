"""Policies: their first weights, their shapes and what they decode to."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
import torch

from mmada.policies.policy import (
    LOSS_FLOOR,
    ConstantPolicy,
    GroupPolicy,
    LossRatioPolicy,
    build_policy,
    centred_log,
    loss_ratio,
    mean_one_weights,
)
from mmada.weightings import inverse_loss_weights

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
    losses = torch.tensor([0.5, 1e-9], dtype=torch.float64, requires_grad=True)
    outputs = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    ratio = loss_ratio(outputs, losses)
    assert ratio.tolist() == [2.0, 2.0 / LOSS_FLOOR]
    ratio.sum().backward()
    assert losses.grad is None and outputs.grad is not None


def test_centred_log_by_hand() -> None:
    losses = torch.tensor([1.0, math.e**3, 1e-9])
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
def test_bad_specs_are_refused(spec: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_policy(spec)


GROUPS = [[0, 2], [1, 3], [4]]
FIVE_LOSSES = torch.tensor([0.5, 0.1, 2.0, 0.3, 1.0], dtype=torch.float64)


def test_a_group_policy_starts_as_inverse_loss_weighting() -> None:
    weights = GroupPolicy(5, GROUPS, 1.0).weights(FIVE_LOSSES)
    torch.testing.assert_close(weights, inverse_loss_weights(FIVE_LOSSES))


@pytest.mark.parametrize('start', [0.0, 0.4])
def test_start_is_the_exponent_of_inverse_loss_weighting(start: float) -> None:
    weights = GroupPolicy(5, GROUPS, start).weights(FIVE_LOSSES)
    torch.testing.assert_close(
        weights, inverse_loss_weights(FIVE_LOSSES, start)
    )


def test_each_objective_is_a_group_unless_told() -> None:
    policy = GroupPolicy(3, None, 1.0)
    assert policy.spec()['groups'] == [[0], [1], [2]]
    policy.move(torch.tensor([1.0, 0.0, -1.0]).double())
    weights = policy.weights(torch.ones(3).double())
    torch.testing.assert_close(
        weights.log().diff(), -torch.ones(2, dtype=torch.float64)
    )


def test_weights_have_mean_one_and_do_not_see_a_common_scale() -> None:
    policy = GroupPolicy(5, GROUPS, 0.5)
    policy.move(torch.tensor([3.0, -5.0, 1.0]).double())
    weights = policy.weights(FIVE_LOSSES)
    assert weights.mean().item() == pytest.approx(1)
    assert policy(FIVE_LOSSES).sum().item() == pytest.approx(0, abs=1e-12)
    torch.testing.assert_close(policy.weights(20 * FIVE_LOSSES), weights)


def test_batches_of_losses_of_a_group_policy() -> None:
    policy = GroupPolicy(5, GROUPS, 0.7)
    policy.move(torch.tensor([0.3, -0.2, 0.7]).double())
    batch = torch.stack([FIVE_LOSSES, FIVE_LOSSES.flip(0)])
    torch.testing.assert_close(
        policy.weights(batch)[1],
        policy.weights(FIVE_LOSSES.flip(0)),
    )


def test_a_factor_multiplies_the_weights_of_its_group() -> None:
    policy = GroupPolicy(5, GROUPS, 1.0)
    before = policy.weights(FIVE_LOSSES)
    policy.move(torch.tensor([0.0, 1.0, 0.0]).double())
    ratio = policy.weights(FIVE_LOSSES) / before
    factors = torch.tensor([1, math.e, 1, math.e, 1]).double()
    torch.testing.assert_close(ratio / ratio[0], factors)


def test_the_scale_of_a_single_loss_drops_out() -> None:
    policy = GroupPolicy(5, GROUPS, 1.0)
    policy.move(torch.tensor([0.3, -0.2, 0.7]).double())
    scales = torch.tensor([1.0, 5.0, 0.2, 1.0, 1.0]).double()
    shares = policy.weights(FIVE_LOSSES) * FIVE_LOSSES
    scaled = policy.weights(FIVE_LOSSES * scales) * FIVE_LOSSES * scales
    torch.testing.assert_close(scaled / scaled.sum(), shares / shares.sum())


def test_coordinates_undo_the_action() -> None:
    policy = GroupPolicy(5, GROUPS, 1.0)
    step = torch.tensor([0.9, -0.5, -0.4]).double()
    policy.move(step)
    found = policy.coordinates(policy(FIVE_LOSSES), FIVE_LOSSES)
    torch.testing.assert_close(found, step)


def test_a_group_policy_is_rebuilt_from_its_spec() -> None:
    policy = GroupPolicy(5, GROUPS, 0.5)
    policy.move(torch.tensor([0.3, -0.2, 0.7]).double())
    copy = build_policy(policy.spec())
    copy.load_state_dict(policy.state_dict())
    assert copy.spec() == policy.spec()
    assert torch.equal(
        copy.weights(FIVE_LOSSES),
        policy.weights(FIVE_LOSSES),
    )


@pytest.mark.parametrize(
    'groups',
    [
        [[0, 1], [2, 3]],
        [[0, 1, 2, 3, 4]],
        [[0, 0], [1, 2, 3, 4]],
        [[0, 1, 2, 3, 4], []],
        [[0, 1, 2], [3, 4, 5]],
        [[0.0, 1, 2], [3, 4]],
        [[0, True, 2], [3, 4]],
        [[0, 1, 2], 3],
        [],
        -7,
    ],
)
def test_groups_that_are_no_partition_are_refused(groups: Any) -> None:
    found = re.escape(repr(groups))
    with pytest.raises(ValueError, match=f'`groups` should.*{found}'):
        GroupPolicy(5, groups, 1.0)
