"""The policy of Auto Seg-Loss: sampling around a mean, and its steps.

Advantages and the clipped objective by hand and numerically.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mmada.controllers.ada_segment.learners import reinforce_loss
from mmada.controllers.auto_seg_loss.ppo import (
    Advantage,
    MeanLearner,
    clipped_ratio_loss,
    per_parameter_loss,
)
from mmada.controllers.auto_seg_loss.truncated_normal import log_density

OPTIONS = dict(sigma=0.2, lr=0.2, updates=1, clip=0.2)


def learner(initial=(0.25, 0.5), **changes) -> MeanLearner:
    return MeanLearner(tensor(*initial), **(OPTIONS | changes))


def tensor(*values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_the_first_mean_is_the_given_one() -> None:
    torch.testing.assert_close(learner().mean, tensor(0.25, 0.5))
    torch.testing.assert_close(learner((0.5, 0.75)).mean, tensor(0.5, 0.75))


def test_samples_lie_around_the_mean() -> None:
    drawn = learner(sigma=0.01).sample(100, torch.Generator().manual_seed(0))
    assert drawn.shape == (100, 2)
    assert (drawn.mean(0) - tensor(0.25, 0.5)).abs().max() < 0.01


def test_the_first_step_of_adam_is_the_learning_rate() -> None:
    # Adam's first step is lr in the direction of the gradient's sign: a good
    # action above the mean pulls it up, a bad one above pushes it down.
    policy = learner()
    policy.update(tensor([0.4, 0.7], [0.1, 0.3]), tensor(1.0, 0.0), 1.0)
    logits = np.log([0.25 / 0.75, 1.0]) + 0.2
    expected = torch.from_numpy(1 / (1 + np.exp(-logits)))
    torch.testing.assert_close(policy.mean, expected, rtol=0, atol=1e-6)
    policy = learner()
    policy.update(tensor([0.4, 0.7], [0.1, 0.3]), tensor(-1.0, 0.0), 0.5)
    logits = np.log([0.25 / 0.75, 1.0]) - 0.1
    expected = torch.from_numpy(1 / (1 + np.exp(-logits)))
    torch.testing.assert_close(policy.mean, expected, rtol=0, atol=1e-6)


def test_a_parameter_that_left_the_range_stops() -> None:
    """Sixty steps end where the ratio does, not sixty times lr away."""
    actions = tensor([0.7, 0.5])
    policy = learner((0.5, 0.5), updates=60, lr=0.01)
    old = log_density(actions, policy.mean, 0.2)
    policy.update(actions, tensor(1.0), 1.0)
    ratio = (log_density(actions, policy.mean, 0.2) - old).exp()
    # Where the ratio passes 1.2 the gradient ends; Adam's momentum goes on.
    assert 1.2 < ratio[0, 0] < 1.5
    assert policy.mean[0] < torch.tensor(0.6).sigmoid() - 0.05
    assert policy.mean[1].item() == pytest.approx(0.5, abs=1e-9)


def test_the_size_of_rewards_hardly_matters() -> None:
    means = []
    for scale in (1.0, 0.01):
        policy = learner(updates=60)
        actions = policy.sample(32, torch.Generator().manual_seed(0))
        policy.update(actions, scale * (actions.sum(1) - 0.75), 1.0)
        means.append(policy.mean)
    torch.testing.assert_close(*means, rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ('name', 'value'),
    [('sigma', 0), ('lr', -1), ('updates', 0), ('clip', 0), ('clip', 2)],
)
def test_bad_options_are_refused(name, value) -> None:
    with pytest.raises(ValueError, match=f'`{name}`.*{value}'):
        learner(**{name: value})


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


def log_ratio(ratio: float) -> torch.Tensor:
    return torch.tensor(
        [math.log(ratio)], dtype=torch.float64, requires_grad=True
    )


@pytest.mark.parametrize(
    ('ratio', 'reward', 'loss', 'gradient'),
    [
        (1.0, 2.0, -2.0, -2.0),
        (1.1, 2.0, -2.2, -2.2),
        (1.5, 2.0, -2.4, 0.0),  # already 1.2 times as likely: no more pull
        (0.5, 2.0, -1.0, -1.0),  # less likely though good: pulled back
        (0.5, -2.0, 1.6, 0.0),
        (1.5, -2.0, 3.0, 3.0),
    ],
)
def test_clipped_ratio_by_hand(
    ratio: float, reward: float, loss: float, gradient: float
) -> None:
    log_probs = log_ratio(ratio)
    value = clipped_ratio_loss(
        log_probs,
        torch.zeros(1).double(),
        torch.tensor([reward]).double(),
        0.2,
    )
    assert value.item() == pytest.approx(loss)
    value.backward()
    assert log_probs.grad.item() == pytest.approx(gradient)


def test_at_the_old_policy_both_losses_have_one_gradient() -> None:
    old = torch.tensor([-1.0, 0.3, 2.0], dtype=torch.float64)
    rewards = torch.tensor([1.0, -0.5, 0.2], dtype=torch.float64)
    gradients = []
    for loss in (
        lambda x: reinforce_loss(x, rewards),
        lambda x: clipped_ratio_loss(x, old, rewards, 0.2),
    ):
        log_probs = old.clone().requires_grad_()
        loss(log_probs).backward()
        gradients.append(log_probs.grad)
    torch.testing.assert_close(*gradients)


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
