"""Truncated normals against scipy's, and by hand."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mmada.controllers.auto_seg_loss.truncated_normal import (
    log_density,
    sample,
)


def tensor(*values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


SIGMAS = st.floats(0.02, 5)
SHARES = st.floats(0.001, 0.999)


def reference(mean: float, sigma: float):
    low, high = -mean / sigma, (1 - mean) / sigma
    return stats.truncnorm(low, high, loc=mean, scale=sigma)


@given(SHARES, SIGMAS, st.floats(0, 1))
def test_log_density_is_scipys(mean: float, sigma: float, x: float) -> None:
    found = log_density(tensor(x), tensor(mean), sigma)
    expected = reference(mean, sigma).logpdf(x)
    assert found.item() == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_log_density_by_hand() -> None:
    # Within one standard deviation of the mean lies erf(1 / sqrt 2).
    found = log_density(tensor(0.5, 0.0), tensor(0.5, 0.5), 0.5)
    mass = math.erf(0.5**0.5)
    peak = 1 / (0.5 * math.sqrt(2 * math.pi) * mass)
    expected = tensor(math.log(peak), math.log(peak) - 0.5)
    torch.testing.assert_close(found, expected)


def test_nothing_lies_outside() -> None:
    values = tensor(-1e-9, 0.0, 1.0, 1 + 1e-9)
    found = log_density(values, torch.full_like(values, 0.3), 0.2)
    assert found.isinf().tolist() == [True, False, False, True]
    assert (found[[0, 3]] < 0).all()


def test_the_gradient_counts_the_mass_that_is_cut_off() -> None:
    mean = tensor(0.03, 0.4, 0.97).requires_grad_()
    values = tensor(0.2, 0.1, 0.9)

    def total(mean: torch.Tensor) -> torch.Tensor:
        return log_density(values, mean, 0.2).sum()

    assert torch.autograd.gradcheck(total, mean)


@pytest.mark.parametrize(
    ('mean', 'sigma'), [(0.5, 0.2), (0.01, 0.2), (0.99, 0.05), (0.3, 3.0)]
)
def test_samples_follow_scipys_distribution(mean: float, sigma: float) -> None:
    generator = torch.Generator().manual_seed(0)
    drawn = sample(tensor(mean, 0.5), sigma, 4000, generator)
    assert drawn.shape == (4000, 2)
    test = stats.kstest(drawn[:, 0].numpy(), reference(mean, sigma).cdf)
    assert test.pvalue > 0.01


@given(SHARES, SIGMAS, st.integers(0, 2**31))
def test_a_sample_is_the_inverse_cdf_of_a_uniform_number(
    mean: float, sigma: float, seed: int
) -> None:
    drawn = sample(
        tensor(mean, mean), sigma, 3, torch.Generator().manual_seed(seed)
    )
    uniform = torch.rand(
        3,
        2,
        dtype=torch.float64,
        generator=torch.Generator().manual_seed(seed),
    )
    expected = reference(mean, sigma).ppf(uniform.numpy())
    assert drawn.numpy() == pytest.approx(expected, abs=1e-7)


@given(st.sampled_from([0.0, 1e-12, 1 - 1e-12, 1.0]), st.floats(1e-4, 1e4))
def test_the_ends_stay_finite(mean: float, sigma: float) -> None:
    drawn = sample(tensor(mean), sigma, 50, torch.Generator().manual_seed(1))
    assert ((drawn >= 0) & (drawn <= 1)).all()
    assert log_density(drawn, tensor(mean), sigma).isfinite().all()


def test_a_uniform_number_of_zero_is_no_infinite_sample(monkeypatch) -> None:
    zeros = partial(torch.zeros, dtype=torch.float64)
    monkeypatch.setattr(torch, 'rand', lambda *size, **_: zeros(*size))
    drawn = sample(tensor(0.5), 0.01, 1, torch.Generator())
    assert 0.4 < drawn.item() < 0.5
