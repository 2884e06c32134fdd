from __future__ import annotations

import re
from typing import Any

import pytest
import torch
from torch import Tensor

from mmada.weightings import GradNorm, grad_norm_slope


def vector(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def rows(*norms: float) -> Tensor:
    """Gradients of given sizes, in four dimensions."""
    directions = torch.randn(
        len(norms), 4, generator=torch.Generator().manual_seed(0)
    )
    unit = directions / directions.norm(dim=1, keepdim=True)
    return unit * torch.tensor(norms)[:, None]


def at_once(**options: Any) -> GradNorm:
    """Measures progress from the losses of the first iteration."""
    return GradNorm(initial_losses='iteration', **options)


def test_the_slope_is_that_of_autograd() -> None:
    weights = vector(0.5, 1.7, 0.8).requires_grad_()
    norms, progress = vector(3, 0.2, 1.1), vector(0.9, 0.4, 0.7)
    sizes = weights * norms
    rates = progress / progress.mean()
    targets = (sizes.mean() * rates**1.5).detach()
    (sizes - targets).abs().sum().backward()
    slope = grad_norm_slope(weights.detach(), norms, progress, 1.5)
    torch.testing.assert_close(slope, weights.grad)


def test_a_step_by_hand() -> None:
    # G = 3, 1 with mean 2: the first shrinks by 0.1 * 3, the second grows
    # by 0.1 * 1; 0.7 and 1.1 are then set to the sum 2.
    method = at_once(alpha=0, lr=0.1, optimizer='SGD')
    losses, gradients = vector(2, 5), rows(3, 1)
    assert method.weights(losses, gradients).tolist() == [1, 1]
    torch.testing.assert_close(
        method.weights(losses, gradients),
        vector(0.7, 1.1) * 2 / 1.8,
        rtol=1e-6,
        atol=0,
    )


def test_slow_losses_get_larger_gradients_by_hand() -> None:
    # Progress 1 and 1/4, rates 1.6 and 0.4, mean gradient 1: targets 1.6
    # and 0.4, so that equal gradients move apart.
    method = at_once(alpha=1, lr=0.1, optimizer='SGD')
    method.weights(vector(4, 4), rows(1, 1))
    before = method.weights(vector(4, 1), rows(1, 1))
    after = method.weights(vector(4, 1), rows(1, 1))
    assert before.tolist() == pytest.approx([1, 1])
    assert after.tolist() == pytest.approx([1.1, 0.9])


@pytest.mark.parametrize('optimizer', ['Adam', 'SGD'])
def test_sizes_of_gradients_become_equal(optimizer: str) -> None:
    method = at_once(alpha=0, lr=0.005, optimizer=optimizer)
    norms = (20.0, 1.0, 4.0)
    for _ in range(2000):
        weights = method.weights(vector(1, 1, 1), rows(*norms))
    expected = 1 / vector(*norms)
    torch.testing.assert_close(
        weights, 3 * expected / expected.sum(), rtol=0.1, atol=0.05
    )


def test_weights_add_up_to_n_and_stay_positive() -> None:
    method = at_once(lr=0.9)
    generator = torch.Generator().manual_seed(1)
    for _ in range(50):
        losses = torch.rand(3, generator=generator) + 0.1
        gradients = torch.randn(3, 5, generator=generator)
        weights = method.weights(losses, gradients)
        assert weights.sum() == pytest.approx(3)
        assert (weights > 0).all()


def test_nothing_is_learned_from_a_gradient_of_zero() -> None:
    method = at_once()
    gradients = rows(3, 1)
    assert method.weights(vector(2, 0), rows(3, 0)).tolist() == [1, 1]
    method.weights(vector(2, 5), gradients)
    learned = method.weights(vector(2, 5), rows(3, 0))
    assert learned.tolist() != [1, 1]
    assert torch.equal(method.weights(vector(2, 5), rows(3, 0)), learned)
    assert method.state_dict()['initial_losses'].tolist() == [2, 5]


def test_a_resumed_training_has_the_present_learning_rate() -> None:
    # Weights of 7/9 and 11/9 and steps of 0.2 * 3 and -0.2 * 1: 8/45 and
    # 64/45 are set to the sum 2.
    first = at_once(alpha=0, lr=0.1, optimizer='SGD')
    first.weights(vector(2, 5), rows(3, 1))
    second = at_once(alpha=0, lr=0.2, optimizer='SGD')
    second.load_state_dict(first.state_dict())
    second.weights(vector(2, 5), rows(3, 1))
    found = second.weights(vector(2, 5), rows(3, 1)).tolist()
    assert found == pytest.approx([2 / 9, 16 / 9])


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('alpha', -1),
        ('lr', 0),
        ('floor', 0),
        ('optimizer', 'Lion'),
        ('optimizer', ['Adam']),
        ('initial_losses', 'epoch'),
    ],
)
def test_bad_options(name: str, value: object) -> None:
    found = re.escape(repr(value))
    with pytest.raises(ValueError, match=f'`{name}`.*{found}'):
        GradNorm(**{name: value})  # type: ignore[arg-type]


def test_progress_is_measured_from_the_first_period_by_hand() -> None:
    """Means of 4 and 2; losses of 2 and 2 are progress 1/2 and 1."""
    method = GradNorm(alpha=1, lr=0.1, optimizer='SGD')
    for losses in (vector(1, 3), vector(7, 1)):
        assert method.weights(losses, rows(1, 1)).tolist() == [1, 1]
    assert method.state_dict() == {}
    method.end_period(vector(4, 2))
    # Rates 2/3 and 4/3 are the targets, so the first one shrinks by 0.1.
    for expected in ([1, 1], [0.9, 1.1]):
        found = method.weights(vector(2, 2), rows(1, 1)).tolist()
        assert found == pytest.approx(expected)
    assert method.state_dict()['initial_losses'].tolist() == [4, 2]
    method.end_period(vector(9, 9))
    assert method.state_dict()['initial_losses'].tolist() == [4, 2]


def test_a_period_without_a_loss_is_not_the_first() -> None:
    method = GradNorm()
    for losses in (vector(4, torch.nan), vector(4, 0)):
        method.end_period(losses)
        assert method.weights(vector(2, 2), rows(3, 1)).tolist() == [1, 1]
    method.end_period(vector(3, 2))
    method.weights(vector(2, 2), rows(3, 1))
    assert method.weights(vector(2, 2), rows(3, 1)).tolist() != [1, 1]
