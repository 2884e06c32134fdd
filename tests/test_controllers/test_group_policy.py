"""A policy of one log-factor a group."""

from __future__ import annotations

import math

import pytest
import torch

from mmada.controllers import build_policy
from mmada.controllers.group_policy import GroupPolicy
from mmada.weightings import inverse_loss_weights

GROUPS = [[0, 2], [1, 3], [4]]
LOSSES = torch.tensor([0.5, 0.1, 2.0, 0.3, 1.0], dtype=torch.float64)


def test_starts_as_inverse_loss_weighting() -> None:
    weights = GroupPolicy(5, GROUPS).weights(LOSSES)
    torch.testing.assert_close(weights, inverse_loss_weights(LOSSES))


def test_start_zero_is_all_ones() -> None:
    weights = GroupPolicy(5, GROUPS, start=0.0).weights(LOSSES)
    torch.testing.assert_close(weights, torch.ones(5).double())


def test_a_factor_multiplies_the_weights_of_its_group() -> None:
    policy = GroupPolicy(5, GROUPS)
    before = policy.weights(LOSSES)
    policy.move(torch.tensor([0.0, 1.0, 0.0]).double())
    ratio = policy.weights(LOSSES) / before
    factors = torch.tensor([1, math.e, 1, math.e, 1]).double()
    torch.testing.assert_close(ratio / ratio[0], factors)


def test_the_scale_of_a_single_loss_drops_out() -> None:
    policy = GroupPolicy(5, GROUPS)
    policy.move(torch.tensor([0.3, -0.2, 0.7]).double())
    scales = torch.tensor([1.0, 5.0, 0.2, 1.0, 1.0]).double()
    shares = policy.weights(LOSSES) * LOSSES
    scaled = policy.weights(LOSSES * scales) * LOSSES * scales
    torch.testing.assert_close(scaled / scaled.sum(), shares / shares.sum())


def test_coordinates_undo_the_action() -> None:
    policy = GroupPolicy(5, GROUPS)
    step = torch.tensor([0.9, -0.5, -0.4]).double()
    policy.move(step)
    found = policy.coordinates(policy(LOSSES), LOSSES)
    torch.testing.assert_close(found, step)


def test_is_rebuilt_from_its_spec() -> None:
    policy = GroupPolicy(5, GROUPS, start=0.5)
    assert build_policy(policy.spec()).spec() == policy.spec()


@pytest.mark.parametrize(
    'groups', [[[0, 1], [2, 3]], [[0, 1, 2, 3, 4]], [[0, 0], [1, 2, 3, 4]]]
)
def test_refuses_groups_that_are_no_partition(groups: list) -> None:
    with pytest.raises(ValueError, match='`groups` should'):
        GroupPolicy(5, groups)
