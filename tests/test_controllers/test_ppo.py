"""Advantages and the clipped objective, by hand and against numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mmada.controllers.ppo import Advantage, per_parameter_loss
from mmada.controllers.truncated_normal import log_density

NAN = float('nan')


def advantages(metrics: list[float], baseline, scale=1.0) -> list[float]:
    values = torch.tensor(metrics, dtype=torch.float64)
    advantage = Advantage(baseline, scale)
    return advantage(values, values.isfinite(), None, 0.0).tolist()


def test_advantages_are_taken_from_the_first_sample() -> None:
    assert advantages([50.0, 52.0, 47.0], 'mu') == [0, 2, -3]
    assert advantages([50.0, 52.0, 47.0], 'mu', 0.5) == [0, 1, -1.5]


def test_advantages_are_taken_from_the_average() -> None:
    assert advantages([50.0, 52.0, 48.0, 54.0], 'mean') == [-1, 1, -3, 3]


def test_invalid_samples_take_no_part() -> None:
    assert advantages([50.0, NAN, 47.0], 'mu') == [0, 0, -3]
    assert advantages([50.0, NAN, 48.0], 'mean') == [1, 0, -1]
    assert advantages([NAN, NAN], 'mean') == [0, 0]


def test_an_invalid_first_sample_is_replaced_by_the_average() -> None:
    assert advantages([NAN, 52.0, 48.0], 'mu') == [0, 2, -2]


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ValueError, match="`baseline`.*'median'"):
        Advantage('median', 1.0)  # type: ignore
    with pytest.raises(ValueError, match='`reward_scale`.*0'):
        Advantage('mu', 0)


def test_each_parameter_is_clipped_for_itself() -> None:
    # Ratios 1.5 | 0.5 under an advantage of 2, then 1.5 | 0.5 under -1:
    # min(3, 2.4) + min(1, 1.6), then min(-1.5, -1.2) + min(-0.5, -0.8).
    ratios = torch.tensor([[1.5, 0.5], [1.5, 0.5]], dtype=torch.float64)
    loss = per_parameter_loss(
        ratios.log(),
        torch.zeros(2, 2, dtype=torch.float64),
        torch.tensor([2.0, -1.0], dtype=torch.float64),
        0.2,
    )
    assert loss.item() == pytest.approx(-((2.4 + 1) + (-1.5 - 0.8)) / 2)


def numpy_objective(logit, actions, old_mean, advantages, sigma, clip):
    def log_pdf(mean):
        return stats.truncnorm.logpdf(
            actions, -mean / sigma, (1 - mean) / sigma, mean, sigma
        )

    ratio = np.exp(log_pdf(1 / (1 + np.exp(-logit))) - log_pdf(old_mean))
    bounded = np.clip(ratio, 1 - clip, 1 + clip)
    column = advantages[:, None]
    return np.minimum(ratio * column, bounded * column).mean(0).sum()


@given(st.integers(0, 10**6))
def test_the_gradient_is_that_of_a_numpy_computation(seed: int) -> None:
    rng = np.random.default_rng(seed)
    actions, scores = rng.random((7, 3)), rng.normal(size=7)
    old_mean = rng.uniform(0.05, 0.95, 3)
    logit = np.log(old_mean / (1 - old_mean)) + rng.normal(size=3) * 0.3
    ours = torch.from_numpy(logit).requires_grad_()
    loss = per_parameter_loss(
        log_density(torch.from_numpy(actions), ours.sigmoid(), 0.2),
        log_density(
            torch.from_numpy(actions), torch.from_numpy(old_mean), 0.2
        ),
        torch.from_numpy(scores),
        0.2,
    )
    rest = (actions, old_mean, scores, 0.2, 0.2)
    expected = -numpy_objective(logit, *rest)
    assert loss.item() == pytest.approx(expected, rel=1e-9)
    (gradient,) = torch.autograd.grad(loss, ours)
    step = 1e-6
    for k in range(3):
        shift = np.eye(3)[k] * step
        sides = [
            -numpy_objective(logit + sign * shift, *rest) for sign in (1, -1)
        ]
        slope = (sides[0] - sides[1]) / (2 * step)
        # A kink of the clipping between both sides would bend the slope.
        one_sided = (sides[0] - expected) / step
        if abs(one_sided - slope) < 1e-3:
            assert gradient[k].item() == pytest.approx(slope, abs=1e-3)
