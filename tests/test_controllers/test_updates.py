from __future__ import annotations

import math

import pytest
import torch

from mmada.controllers.ada_segment.exploration import gaussian_log_density
from mmada.controllers.ada_segment.learners import reinforce_loss
from mmada.controllers.auto_seg_loss.ppo import clipped_ratio_loss


def test_reinforce_by_hand_for_three_replicas_of_two_weights() -> None:
    mean = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    samples = torch.tensor(
        [[1.2, 2.0], [0.8, 2.4], [1.0, 1.6]], dtype=torch.float64
    )
    rewards = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    loss = reinforce_loss(
        gaussian_log_density(
            samples - mean, torch.tensor(0.2, dtype=torch.float64)
        ),
        rewards,
    )
    # (sample - mean) / 0.2: squared norms 1, 1 + 4 and 4
    constant = -2 * math.log(0.2 * math.sqrt(2 * math.pi))
    by_hand = (
        -(
            (-0.5 + constant) * 1
            + (-2.5 + constant) * -2
            + (-2.0 + constant) * 0.5
        )
        / 3
    )
    assert loss.item() == pytest.approx(by_hand)
    # d log s / d mean = (sample - mean) / 0.04: (5, 0), (-5, 10), (0, -10)
    loss.backward()
    assert mean.grad.tolist() == pytest.approx(
        [-(5 * 1 - 5 * -2 + 0) / 3, -(0 + 10 * -2 - 10 * 0.5) / 3]
    )


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
