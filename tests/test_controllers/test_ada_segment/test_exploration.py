from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal

from mmada.controllers.ada_segment.exploration import (
    GaussianExploration,
    antithetic,
    gaussian_log_density,
)

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


def test_only_negative_weights_are_illegal() -> None:
    actions = torch.tensor([[1.0, 0.5], [1.0, -0.1], [1e-9, 2.0]])
    assert GaussianExploration().legal(actions).tolist() == [True, False, True]


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
