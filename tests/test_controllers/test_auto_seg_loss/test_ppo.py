"""The policy of Auto Seg-Loss: sampling around a mean, and its steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmada.controllers.auto_seg_loss.ppo import MeanLearner
from mmada.controllers.truncated_normal import log_density

OPTIONS = dict(sigma=0.2, lr=0.2, updates=1, clip=0.2)


def learner(initial=(0.25, 0.5), **changes) -> MeanLearner:
    return MeanLearner(2, initial, **(OPTIONS | changes))


def tensor(*values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_the_first_mean_is_the_given_one() -> None:
    torch.testing.assert_close(learner().mean, tensor(0.25, 0.5))
    torch.testing.assert_close(learner(None).mean, tensor(0.5, 0.5))
    torch.testing.assert_close(
        learner(torch.tensor([0.5, 0.75])).mean, tensor(0.5, 0.75)
    )


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
    'initial',
    [(0.5,), (0.0, 0.5), (0.5, 1.0), (0.5, float('nan')), (0.5,) * 3],
)
def test_a_mean_outside_is_refused(initial) -> None:
    with pytest.raises(ValueError, match='`initial` should be 2 numbers'):
        learner(initial)


@pytest.mark.parametrize(
    ('name', 'value'),
    [('sigma', 0), ('lr', -1), ('updates', 0), ('clip', 0), ('clip', 2)],
)
def test_bad_options_are_refused(name, value) -> None:
    with pytest.raises(ValueError, match=f'`{name}`.*{value}'):
        learner(**{name: value})
