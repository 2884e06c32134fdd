"""Exploration of single weights, and of the factors of groups."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal

from mmada.controllers.ada_segment.exploration import (
    GaussianExploration,
    GroupExploration,
    antithetic,
    gaussian_log_density,
    spread_out,
)
from mmada.policies.policy import GroupPolicy

ONE = torch.tensor(1.0, dtype=torch.float64)
MEAN = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_gaussian_log_density_sums_over_dimensions() -> None:
    offsets = random(5, 3)
    expected = Normal(0.0, 0.2).log_prob(offsets).sum(-1)
    torch.testing.assert_close(
        gaussian_log_density(offsets, 0.2 * ONE), expected
    )


def test_gaussian_log_density_by_hand() -> None:
    offsets = torch.tensor([0.2, -0.4], dtype=torch.float64)
    expected = -0.5 * (1 + 4) - 2 * math.log(0.2 * math.sqrt(2 * math.pi))
    assert gaussian_log_density(offsets, 0.2 * ONE).item() == pytest.approx(
        expected
    )


def test_antithetic_pairs_and_the_odd_one() -> None:
    offsets = torch.tensor([[1.0, -1.0], [2.0, -2.0]])
    assert antithetic(offsets, 5).tolist() == [
        [1, -1],
        [-1, 1],
        [2, -2],
        [-2, 2],
        [0, 0],
    ]
    assert antithetic(offsets[:0], 1).tolist() == [[0, 0]]


def test_gaussian_samples() -> None:
    actions = GaussianExploration(0.2).sample(
        MEAN, 40_000, 1.0, torch.Generator().manual_seed(0)
    )
    torch.testing.assert_close(actions.mean(0), MEAN, atol=5e-3, rtol=0)
    torch.testing.assert_close(
        actions.std(0), torch.full((3,), 0.2).double(), atol=5e-3, rtol=0
    )


def test_only_negative_weights_are_invalid() -> None:
    actions = torch.tensor([[1.0, 0.5], [1.0, -0.1], [1e-9, 2.0]])
    assert GaussianExploration().valid(actions).tolist() == [True, False, True]


def test_scale_shrinks_samples_and_fits_their_density() -> None:
    exploration = GaussianExploration(0.2)
    wide, narrow = (
        exploration.sample(MEAN, 4, scale, torch.Generator().manual_seed(0))
        for scale in (1.0, 0.25)
    )
    torch.testing.assert_close(narrow - MEAN, (wide - MEAN) / 4)
    # A density in 3 dimensions grows by scale^-3 when space shrinks.
    torch.testing.assert_close(
        exploration.log_prob(narrow, MEAN, 0.25 * ONE),
        exploration.log_prob(wide, MEAN, ONE) + 3 * math.log(4),
    )


def test_divergence_is_the_gaussian_kl() -> None:
    old, new = random(3, seed=1), random(3, seed=2)
    kl = GaussianExploration(0.2).divergence(old, new, ONE)
    torch.testing.assert_close(kl, (old - new).square().sum() / 0.08)


@pytest.mark.parametrize('value', [0, -1, 'a', float('nan')])
def test_bad_options(value: object) -> None:
    with pytest.raises(ValueError, match=f'`sigma`.*{value}'):
        GaussianExploration(value)


GROUPS = [[0, 2], [1, 3], [4]]
GROUP_MEAN = torch.tensor([0.3, -0.1, 0.0, 0.2, -0.4], dtype=torch.float64)


def draw(count: int, seed: int = 0, scale: float = 1.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    exploration = GroupExploration(0.8, GROUPS)
    return exploration.sample(GROUP_MEAN, count, scale, generator)


def test_pairs_mirror_each_other_and_groups_move_together() -> None:
    offsets = draw(4) - GROUP_MEAN
    torch.testing.assert_close(offsets[0], -offsets[1])
    torch.testing.assert_close(offsets[2], -offsets[3])
    torch.testing.assert_close(offsets[:, 0], offsets[:, 2])
    torch.testing.assert_close(offsets[:, 1], offsets[:, 3])
    assert torch.allclose(offsets.sum(-1), torch.zeros(4).double())


def test_an_odd_replica_trains_with_the_mean() -> None:
    torch.testing.assert_close(draw(3)[2], GROUP_MEAN)


def test_log_factors_have_the_spread_that_was_asked_for() -> None:
    policy = GroupPolicy(5, GROUPS, 0.0)
    offsets = torch.cat([draw(2, seed) - GROUP_MEAN for seed in range(1500)])
    factors = policy.coordinates(offsets, torch.ones(5).double())
    # Centring k independent draws leaves (k - 1) / k of their variance.
    expected = 0.8 * math.sqrt(2 / 3)
    assert torch.allclose(
        factors.std(0), torch.full((3,), expected).double(), rtol=0.05
    )


def test_rows_are_orthogonal_while_there_are_dimensions() -> None:
    noise = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    rows = spread_out(noise)
    torch.testing.assert_close(rows.norm(dim=1), noise.norm(dim=1))
    for block in (rows[:3], rows[3:]):
        products = block @ block.T
        torch.testing.assert_close(products, products.diag().diag())


def test_divergence_is_that_of_normal_factors() -> None:
    exploration = GroupExploration(0.8, GROUPS)
    policy = GroupPolicy(5, GROUPS, 0.0)
    step = torch.tensor([0.5, -0.5, 0.0]).double()
    kl = exploration.divergence(
        GROUP_MEAN,
        GROUP_MEAN + policy.expand(step),
        ONE,
    )
    # |centred step|^2 / (2 sigma^2)
    torch.testing.assert_close(kl, 0.5 / (2 * 0.64) * ONE)


def test_scale_of_groups_shrinks_samples_and_fits_their_density() -> None:
    exploration = GroupExploration(0.8, GROUPS)
    wide, narrow = draw(4), draw(4, scale=0.25)
    torch.testing.assert_close(
        narrow - GROUP_MEAN,
        (wide - GROUP_MEAN) / 4,
    )
    # Three centred factors have two dimensions.
    torch.testing.assert_close(
        exploration.log_prob(narrow, GROUP_MEAN, 0.25 * ONE),
        exploration.log_prob(wide, GROUP_MEAN, ONE) + 2 * math.log(4),
    )


def test_directions_of_pairs_are_at_right_angles() -> None:
    policy = GroupPolicy(5, GROUPS, 0.0)
    actions = draw(4)[::2] - GROUP_MEAN
    first, second = policy.coordinates(actions, torch.ones(5).double())
    assert first.norm() > 0.1 and second.norm() > 0.1
    assert abs(float(first @ second)) < 1e-12


def test_two_objectives_leave_one_direction() -> None:
    exploration = GroupExploration(0.8, [[0], [1]])
    actions = exploration.sample(
        torch.zeros(2).double(), 7, 1.0, torch.Generator().manual_seed(0)
    )
    assert actions.shape == (7, 2) and actions.isfinite().all()
    torch.testing.assert_close(actions[:, 0], -actions[:, 1])
    assert len({round(x, 9) for x in actions[:, 0].abs().tolist()}) == 4


def test_every_sample_of_groups_is_valid() -> None:
    assert GroupExploration(9.0, GROUPS).valid(draw(3)).all()


@pytest.mark.parametrize('sigma', [0, -1, 'a'])
def test_bad_sigmas_of_groups(sigma: object) -> None:
    with pytest.raises(ValueError, match=f'`sigma`.*{sigma}'):
        GroupExploration(sigma, GROUPS)
