"""A policy of one log-factor a group."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
import torch

from mmada.controllers import build_policy
from mmada.controllers.group_policy import GroupPolicy
from mmada.weightings import inverse_loss_weights

GROUPS = [[0, 2], [1, 3], [4]]
LOSSES = torch.tensor([0.5, 0.1, 2.0, 0.3, 1.0], dtype=torch.float64)


def test_starts_as_inverse_loss_weighting() -> None:
    weights = GroupPolicy(5, GROUPS, 1.0).weights(LOSSES)
    torch.testing.assert_close(weights, inverse_loss_weights(LOSSES))


@pytest.mark.parametrize('start', [0.0, 0.4])
def test_start_is_the_exponent_of_inverse_loss_weighting(start: float) -> None:
    weights = GroupPolicy(5, GROUPS, start).weights(LOSSES)
    torch.testing.assert_close(weights, inverse_loss_weights(LOSSES, start))


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
    weights = policy.weights(LOSSES)
    assert weights.mean().item() == pytest.approx(1)
    assert policy(LOSSES).sum().item() == pytest.approx(0, abs=1e-12)
    torch.testing.assert_close(policy.weights(20 * LOSSES), weights)


def test_batches_of_losses() -> None:
    policy = GroupPolicy(5, GROUPS, 0.7)
    policy.move(torch.tensor([0.3, -0.2, 0.7]).double())
    batch = torch.stack([LOSSES, LOSSES.flip(0)])
    torch.testing.assert_close(
        policy.weights(batch)[1], policy.weights(LOSSES.flip(0))
    )


def test_a_factor_multiplies_the_weights_of_its_group() -> None:
    policy = GroupPolicy(5, GROUPS, 1.0)
    before = policy.weights(LOSSES)
    policy.move(torch.tensor([0.0, 1.0, 0.0]).double())
    ratio = policy.weights(LOSSES) / before
    factors = torch.tensor([1, math.e, 1, math.e, 1]).double()
    torch.testing.assert_close(ratio / ratio[0], factors)


def test_the_scale_of_a_single_loss_drops_out() -> None:
    policy = GroupPolicy(5, GROUPS, 1.0)
    policy.move(torch.tensor([0.3, -0.2, 0.7]).double())
    scales = torch.tensor([1.0, 5.0, 0.2, 1.0, 1.0]).double()
    shares = policy.weights(LOSSES) * LOSSES
    scaled = policy.weights(LOSSES * scales) * LOSSES * scales
    torch.testing.assert_close(scaled / scaled.sum(), shares / shares.sum())


def test_coordinates_undo_the_action() -> None:
    policy = GroupPolicy(5, GROUPS, 1.0)
    step = torch.tensor([0.9, -0.5, -0.4]).double()
    policy.move(step)
    found = policy.coordinates(policy(LOSSES), LOSSES)
    torch.testing.assert_close(found, step)


def test_is_rebuilt_from_its_spec() -> None:
    policy = GroupPolicy(5, GROUPS, 0.5)
    policy.move(torch.tensor([0.3, -0.2, 0.7]).double())
    copy = build_policy(policy.spec())
    copy.load_state_dict(policy.state_dict())
    assert copy.spec() == policy.spec()
    assert torch.equal(copy.weights(LOSSES), policy.weights(LOSSES))


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
def test_refuses_groups_that_are_no_partition(groups: Any) -> None:
    found = re.escape(repr(groups))
    with pytest.raises(ValueError, match=f'`groups` should.*{found}'):
        GroupPolicy(5, groups, 1.0)
