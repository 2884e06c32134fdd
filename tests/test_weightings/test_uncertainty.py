"""Against autograd: network and log-variances in one optimizer."""

from __future__ import annotations

import math

import pytest
import torch

from mmada.weightings import UncertaintyWeighting


def vector(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def begun(lr: float = 0.1, normalize: str = 'none') -> UncertaintyWeighting:
    weighting = UncertaintyWeighting(lr, normalize)
    weighting.begin('ab')
    return weighting


def losses_of(theta: torch.Tensor) -> torch.Tensor:
    return torch.stack([(theta - 1) ** 2 + 0.1, 20 * (theta + 2) ** 2])


def joint_training(steps: int, lr: float) -> tuple[list, list]:
    """Minimises sum exp(-s) L + s in theta and s at once."""
    theta = vector(0.5)[0].requires_grad_()
    s = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([theta, s], lr=lr)
    thetas, logs = [], []
    for _ in range(steps):
        optimizer.zero_grad()
        (torch.exp(-s) * losses_of(theta) + s).sum().backward()
        optimizer.step()
        thetas.append(theta.item())
        logs.append(s.tolist())
    return thetas, logs


def test_it_trains_as_one_optimizer_does() -> None:
    thetas, logs = joint_training(steps=30, lr=0.1)
    weighting = begun(lr=0.1)
    theta = vector(0.5)[0].requires_grad_()
    optimizer = torch.optim.Adam([theta], lr=0.1)
    for k in range(30):
        weights, losses = weighting.weights(k, 30), losses_of(theta)
        optimizer.zero_grad()
        (weights * losses).sum().backward()
        optimizer.step()
        weighting.observe(losses.detach())
        assert theta.item() == pytest.approx(thetas[k])
        assert (-weighting.weights(k, 30).log()).tolist() == pytest.approx(
            logs[k], abs=1e-12
        )


def test_for_constant_losses_the_weights_end_at_their_inverse() -> None:
    weighting = begun(lr=0.05)
    for _ in range(600):
        weighting.observe(vector(4.0, 0.5))
    found = weighting.weights(0, 1).tolist()
    assert found == pytest.approx([0.25, 2], rel=1e-3)


@pytest.mark.parametrize('absent', [math.nan, math.inf, 0.0])
def test_an_absent_objective_learns_nothing(absent: float) -> None:
    weighting, other = begun(), begun()
    for losses in (vector(3.0, 5.0), vector(3.0, absent), vector(2.0, 5.0)):
        weighting.observe(losses)
    for losses in (vector(3.0, 5.0), vector(2.0, 5.0)):
        other.observe(losses)
    found, expected = weighting.weights(0, 1), other.weights(0, 1)
    assert found[1] == expected[1]
    assert found[0] != expected[0]


def test_bad_rate() -> None:
    with pytest.raises(ValueError, match='`lr`.*0'):
        UncertaintyWeighting(0)


def test_a_negative_loss_is_named() -> None:
    with pytest.raises(ValueError, match="not be negative.*-1 of 'b'"):
        begun().observe(vector(3.0, -1.0))


def test_weights_of_mean_one_have_the_same_ratios() -> None:
    """For losses that do not change they would end at 1/4 and 2."""
    weighting = UncertaintyWeighting(lr=0.05)
    weighting.begin('ab')
    for _ in range(600):
        weighting.observe(vector(4.0, 0.5))
    found = weighting.weights(0, 1).tolist()
    assert found == pytest.approx([2 / 9, 16 / 9], rel=1e-3)


def test_bad_normalize() -> None:
    with pytest.raises(ValueError, match="`normalize` should.*'sum'"):
        UncertaintyWeighting(normalize='sum')


def test_a_state_goes_on_as_it_began() -> None:
    """That of version 0.2.0 and before knows of no normalisation."""
    first = begun()
    first.observe(vector(4.0, 0.5))
    state = first.state_dict()
    second = begun(normalize='mean')
    with pytest.raises(ValueError, match="should be 'none'.*Found 'mean'"):
        second.load_state_dict(state)
    del state['normalize']
    second.load_state_dict(state)
    assert torch.equal(second.weights(0, 1), first.weights(0, 1))
    assert second.state_dict()['normalize'] == 'none'
