"""Regression of metrics on actions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mmada.controllers.slope import PRIOR_SCALES, fit_slope


def data(
    noise: float, count: int = 40, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    offsets = torch.randn(count, 3, dtype=torch.float64, generator=generator)
    truth = torch.tensor([2.0, 0.0, -1.0], dtype=torch.float64)
    errors = torch.randn(count, dtype=torch.float64, generator=generator)
    return offsets, offsets @ truth + noise * errors, truth


def test_finds_the_slope_of_clean_metrics() -> None:
    offsets, values, truth = data(1e-6)
    slope = fit_slope(offsets, values, torch.ones(40).double(), 1)
    torch.testing.assert_close(slope.mean, truth, atol=2e-3, rtol=0)
    assert slope.confidence > 0.99


def test_is_what_ridge_regression_says_at_the_likeliest_scale() -> None:
    offsets, values, _ = data(0.5)
    slope = fit_slope(offsets, values, torch.ones(40).double(), 1)
    # The largest candidate explains slopes of four noises best by far.
    ridge = torch.linalg.solve(
        offsets.T @ offsets + torch.eye(3).double() / PRIOR_SCALES[-1] ** 2,
        offsets.T @ values,
    )
    torch.testing.assert_close(slope.mean, ridge, atol=0.01, rtol=0.01)


@pytest.mark.parametrize(('count', 'num_rounds'), [(9, 2), (4, 2), (2, 1)])
def test_is_the_average_over_sizes_by_their_evidence(
    count: int, num_rounds: int
) -> None:
    offsets, values, _ = data(2.0, count)
    weights = torch.linspace(0.5, 1, count).double()
    freedom = count - num_rounds
    evidence, means, squares = [], [], []
    for scale in PRIOR_SCALES:
        # In the space of the metrics: their covariance over s^2.
        prior = scale**2 * offsets.T
        inverse = torch.linalg.inv(
            weights.reciprocal().diag() + offsets @ prior
        )
        rest = values @ inverse @ values
        evidence.append(0.5 * inverse.logdet() - 0.5 * freedom * rest.log())
        mean = prior @ inverse @ values
        trace = 3 * scale**2 - (prior @ inverse @ prior.T).trace()
        means.append(mean)
        squares.append(mean @ mean + rest / max(freedom - 2, 1) * trace)
    shares = torch.stack(evidence).softmax(0)
    mean = shares @ torch.stack(means)
    slope = fit_slope(offsets, values, weights, num_rounds)
    torch.testing.assert_close(slope.mean, mean)
    expected = mean @ mean / (shares @ torch.stack(squares))
    assert slope.confidence == pytest.approx(float(expected))


def test_noise_alone_leaves_little_confidence() -> None:
    found = []
    for seed in range(40):
        offsets, _, _ = data(1.0, 12, seed)
        generator = torch.Generator().manual_seed(100 + seed)
        noise = torch.randn(12, dtype=torch.float64, generator=generator)
        weights = torch.ones(12).double()
        found.append(fit_slope(offsets, noise, weights, 3).confidence)
    assert sum(found) / len(found) < 0.15


def test_equal_metrics_say_nothing() -> None:
    offsets, _, _ = data(1.0)
    zeros, ones = torch.zeros(40).double(), torch.ones(40).double()
    slope = fit_slope(offsets, zeros, ones, 1)
    assert slope.confidence == 0
    assert not slope.mean.any()


def test_a_weight_of_two_is_the_same_row_twice() -> None:
    offsets, values, _ = data(1.0, 10)
    weights = torch.ones(10).double()
    weights[0] = 2
    again = torch.cat([offsets, offsets[:1]])
    twice = fit_slope(
        again, torch.cat([values, values[:1]]), torch.ones(11).double(), 2
    )
    # As many degrees of freedom: ten rows of one round, eleven of two.
    once = fit_slope(offsets, values, weights, 1)
    torch.testing.assert_close(once.mean, twice.mean)
    assert abs(once.confidence - twice.confidence) < 1e-9


def test_the_unit_of_the_metric_does_not_matter() -> None:
    offsets, values, _ = data(1.0, 10)
    weights = torch.ones(10).double()
    one = fit_slope(offsets, values, weights, 1)
    hundred = fit_slope(offsets, 100 * values, weights, 1)
    torch.testing.assert_close(100 * one.mean, hundred.mean)
    assert abs(one.confidence - hundred.confidence) < 1e-9
