"""Against the formulas of the authors' public code, by autograd."""

from __future__ import annotations

import math

import pytest
import torch

from mmada.weightings import Famo


def vector(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def begun(total: float = 1.0, **options: float) -> Famo:
    weighting = Famo(total=total, **options)
    weighting.begin('abc')
    return weighting


def do(weighting: Famo, before: torch.Tensor, after: torch.Tensor):
    weights = weighting.weights_by_losses(before)
    weighting.observe(before)
    weighting.observe_after_step(after)
    return weights


class Reference:
    """Loss sum z log(L) / c, c = sum z / L; Adam along the gradient of z."""

    def __init__(self, lr: float, decay: float) -> None:
        self.logits = torch.zeros(3, dtype=torch.float64, requires_grad=True)
        self.adam = torch.optim.Adam([self.logits], lr=lr, weight_decay=decay)

    def gradient_of_losses(self, losses: torch.Tensor) -> torch.Tensor:
        losses = losses.clone().requires_grad_()
        z = self.logits.softmax(-1).detach()
        shifted = losses + 1e-8
        c = (z / shifted).sum().detach()
        (shifted.log() * z / c).sum().backward()
        return losses.grad

    def update(self, before: torch.Tensor, after: torch.Tensor) -> None:
        delta = (before + 1e-8).log() - (after + 1e-8).log()
        (slope,) = torch.autograd.grad(
            self.logits.softmax(-1), self.logits, grad_outputs=delta
        )
        self.logits.grad = slope
        self.adam.step()


@pytest.mark.parametrize('total', [1.0, 3.0])
def test_weights_are_those_of_the_reference(total: float) -> None:
    weighting = begun(lr=0.1, decay=0.02, total=total)
    reference = Reference(lr=0.1, decay=0.02)
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        before, after = torch.rand(2, 3, generator=generator).double() + 0.1
        expected = total * reference.gradient_of_losses(before)
        torch.testing.assert_close(do(weighting, before, after), expected)
        reference.update(before, after)
    assert expected.sum() == pytest.approx(total)


def test_a_first_step_by_hand() -> None:
    # Equal logits: inverse losses 1, 1/2, 1/4 over their sum.
    weighting = begun(lr=0.5, decay=0.0)
    before = vector(1.0, 2.0, 4.0)
    found = do(weighting, before, vector(1.0, 1.0, 4.0))
    assert found.tolist() == pytest.approx([4 / 7, 2 / 7, 1 / 7])
    # The second loss fell: Adam's first step lowers its logit by lr and
    # raises the others by as much.
    z = torch.softmax(vector(0.5, -0.5, 0.5), 0)
    torch.testing.assert_close(weighting.weights(0, 1), z)


@pytest.mark.parametrize('absent', [math.nan, math.inf, 0.0])
def test_an_absent_objective_has_no_part(absent: float) -> None:
    weighting, pair = begun(lr=0.5), Famo(lr=0.5, total=1.0)
    pair.begin('ab')
    for _ in range(2):
        found = do(
            weighting, vector(1.0, 2.0, absent), vector(0.5, 1.9, absent)
        )
        expected = do(pair, vector(1.0, 2.0), vector(0.5, 1.9))
    assert found.tolist() == [*expected.tolist(), 0]
    assert weighting.state_dict()['values'][2] == 0


def test_nothing_at_all_is_survived() -> None:
    nothing = vector(math.nan, math.nan, math.nan)
    assert do(begun(), nothing, nothing).tolist() == [0, 0, 0]


def test_negative_losses_are_refused() -> None:
    with pytest.raises(ValueError, match="negative.*Found -2 of 'b'"):
        begun().weights_by_losses(vector(1.0, -2.0, 3.0))


@pytest.mark.parametrize(
    ('name', 'value'), [('lr', 0), ('decay', -1), ('total', 0)]
)
def test_bad_options(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f'`{name}`.*{value}'):
        Famo(**{name: value})


def test_by_default_the_mean_is_one() -> None:
    weighting = Famo()
    weighting.begin('abc')
    weights = do(weighting, vector(1.0, 2.0, 4.0), vector(1.0, 1.0, 4.0))
    assert weights.tolist() == pytest.approx([12 / 7, 6 / 7, 3 / 7])
    assert weighting.weights(0, 1).mean() == pytest.approx(1)


def test_a_state_without_a_sum_goes_on_as_it_began() -> None:
    """Those of version 0.2.0 and before, where 1 was the default."""
    weighting, begins = Famo(), Famo()
    weighting.begin('abc')
    begins.begin('abc')
    state = weighting.state_dict()
    begins.load_state_dict(state)
    assert begins.total == 3
    del state['total']
    begins.load_state_dict(state)
    assert begins.total == 1
