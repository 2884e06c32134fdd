from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import LowRankMultivariateNormal, Normal

from mmada.controllers.exploration import (
    GaussianExploration,
    LogWeightExploration,
    antithetic,
    gaussian_log_density,
    stretched_log_density,
)
from mmada.controllers.policies import centred_log

ONE = torch.tensor(1.0, dtype=torch.float64)
LOSSES = torch.tensor([0.1, 0.5, 2.0], dtype=torch.float64)
X = centred_log(LOSSES)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def centred(values: torch.Tensor) -> torch.Tensor:
    return values - values.mean(-1, keepdim=True)


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


@pytest.mark.parametrize('sigma_x', [0.0, 0.3, 2.0])
def test_stretched_density_against_the_full_gaussian(sigma_x: float) -> None:
    # In full space the same covariance has one more direction, the common
    # one, along which centred offsets are 0: a constant factor.
    sigma = 0.4
    full = LowRankMultivariateNormal(
        torch.zeros(3, dtype=torch.float64),
        cov_factor=(sigma_x * X).unsqueeze(-1),
        cov_diag=torch.full((3,), sigma**2, dtype=torch.float64),
    )
    common = -math.log(sigma * math.sqrt(2 * math.pi))
    offsets = centred(random(6, 3))
    torch.testing.assert_close(
        stretched_log_density(offsets, X, sigma * ONE, sigma_x * ONE),
        full.log_prob(offsets) - common,
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


def test_log_weight_samples_have_the_covariance_they_claim() -> None:
    exploration = LogWeightExploration(sigma=0.4, sigma_x=0.3)
    actions = exploration.sample(
        X, LOSSES, 40_000, 1.0, torch.Generator().manual_seed(0)
    )
    centring = torch.eye(3, dtype=torch.float64) - 1 / 3
    expected = 0.16 * centring + 0.09 * torch.outer(X, X)
    torch.testing.assert_close(
        torch.cov((actions - X).T, correction=0),
        expected,
        atol=5e-3,
        rtol=0.02,
    )
    torch.testing.assert_close(
        actions[0::2] + actions[1::2], (2 * X).expand(20_000, 3)
    )
    torch.testing.assert_close(actions.sum(-1), torch.zeros(40_000).double())


def test_gaussian_samples() -> None:
    mean = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    actions = GaussianExploration(0.2).sample(
        mean, LOSSES, 40_000, 1.0, torch.Generator().manual_seed(0)
    )
    torch.testing.assert_close(actions.mean(0), mean, atol=5e-3, rtol=0)
    torch.testing.assert_close(
        actions.std(0), torch.full((3,), 0.2).double(), atol=5e-3, rtol=0
    )


def test_only_negative_weights_are_illegal() -> None:
    actions = torch.tensor([[1.0, 0.5], [1.0, -0.1], [1e-9, 2.0]])
    assert GaussianExploration().legal(actions).tolist() == [True, False, True]
    assert LogWeightExploration().legal(actions).tolist() == [True] * 3


@pytest.mark.parametrize(
    'exploration',
    [
        GaussianExploration(0.2),
        LogWeightExploration(0.4, 0.3),
    ],
)
def test_scale_shrinks_samples_and_fits_their_density(exploration) -> None:
    mean = X if isinstance(exploration, LogWeightExploration) else LOSSES
    wide, narrow = (
        exploration.sample(
            mean, LOSSES, 4, scale, torch.Generator().manual_seed(0)
        )
        for scale in (1.0, 0.25)
    )
    torch.testing.assert_close(narrow - mean, (wide - mean) / 4)
    # A density in d dimensions grows by scale^-d when space shrinks.
    dims = 2 if isinstance(exploration, LogWeightExploration) else 3
    torch.testing.assert_close(
        exploration.log_prob(narrow, mean, LOSSES, 0.25 * ONE),
        exploration.log_prob(wide, mean, LOSSES, ONE) + dims * math.log(4),
    )


def test_divergence_is_the_gaussian_kl() -> None:
    old, new = random(3, seed=1), random(3, seed=2)
    kl = GaussianExploration(0.2).divergence(old, new, LOSSES, ONE)
    torch.testing.assert_close(kl, (old - new).square().sum() / 0.08)
    old, new = centred(old), centred(new)
    exploration = LogWeightExploration(0.4, 0.3)
    covariance = 0.16 * torch.eye(3).double() + 0.09 * torch.outer(X, X)
    offset = new - old
    torch.testing.assert_close(
        exploration.divergence(old, new, LOSSES, ONE),
        0.5 * offset @ torch.linalg.solve(covariance, offset),
    )


@pytest.mark.parametrize(
    ('kind', 'name', 'value'),
    [
        (GaussianExploration, 'sigma', 0),
        (GaussianExploration, 'sigma', float('nan')),
        (LogWeightExploration, 'sigma', -1),
        (LogWeightExploration, 'sigma', 'a'),
        (LogWeightExploration, 'sigma_x', -0.1),
    ],
)
def test_bad_options(kind: type, name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f'`{name}`.*{value}'):
        kind(**{name: value})
