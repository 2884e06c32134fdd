from __future__ import annotations

import pytest
import torch

from mmada.controllers import AdaSegment
from mmada.weightings import InverseLossWeighting, inverse_loss_weights

LOSSES = torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64)


def vector(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_inverse_loss_by_hand() -> None:
    # 1 / l = 2, 0.5, 1 with mean 7 / 6
    torch.testing.assert_close(
        InverseLossWeighting().weights(1, 3, LOSSES), vector(2, 0.5, 1) * 6 / 7
    )


def test_factors_by_hand() -> None:
    weighting = InverseLossWeighting(factors=[1, 2, 0.5])
    # 2, 2 * 0.5, 0.5 * 1 with mean 3.5 / 3
    torch.testing.assert_close(
        weighting.weights(1, 3, LOSSES), vector(2, 1, 0.5) * 3 / 3.5
    )
    with pytest.raises(
        ValueError, match=r'`factors` should have shape \(2,\)'
    ):
        weighting.weights(1, 3, LOSSES[:2])
    for wrong in ([1, 0, 1], 2.0, ['a']):
        with pytest.raises(ValueError, match='`factors` should'):
            InverseLossWeighting(factors=wrong)


def test_exponent_by_hand() -> None:
    torch.testing.assert_close(
        inverse_loss_weights(vector(1, 4), 0.5), vector(4 / 3, 2 / 3)
    )
    assert inverse_loss_weights(LOSSES, 0).tolist() == [1, 1, 1]


def test_the_gradient_is_that_of_the_geometric_mean() -> None:
    losses = LOSSES.clone().requires_grad_()
    losses.log().mean().exp().backward()
    weights = inverse_loss_weights(LOSSES)
    torch.testing.assert_close(
        torch.nn.functional.normalize(losses.grad, dim=0),
        torch.nn.functional.normalize(weights, dim=0),
    )


@pytest.mark.parametrize('start', [0.0, 0.4, 1.0])
def test_it_is_the_start_of_a_search_without_learning(start: float) -> None:
    search = AdaSegment(
        num_objectives=3, num_rounds=1, num_replicas=1, start=start
    )
    torch.testing.assert_close(
        search.propose(LOSSES)[0],
        InverseLossWeighting(exponent=start).weights(1, 1, LOSSES),
    )


def test_floor() -> None:
    weighting = InverseLossWeighting(floor=0.01)
    with pytest.warns(UserWarning, match='which the floor raises to 0.01'):
        weights = weighting.weights(1, 1, torch.tensor([1e-3, 1.0, 1e4]))
    assert weights[2] == 0.01


@pytest.mark.parametrize(
    ('name', 'value'), [('exponent', -0.1), ('exponent', 2), ('floor', 0)]
)
def test_bad_options(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f'`{name}`.*{value}'):
        InverseLossWeighting(**{name: value})


@pytest.mark.parametrize(
    'losses',
    [
        torch.tensor([1.0, -1.0]),
        torch.ones(2, 2),
    ],
)
def test_bad_losses(losses: torch.Tensor) -> None:
    with pytest.raises(ValueError, match='`losses`'):
        InverseLossWeighting().weights(1, 1, losses)


def test_a_loss_that_a_tiny_one_switches_off_is_warned_of_once(
    recwarn: pytest.WarningsRecorder,
) -> None:
    weighting = InverseLossWeighting()
    weighting.begin(['cls', 'penalty'])
    # 1 / l = 1, 3999 with mean 2000: 0.0005 and 1.9995
    losses = vector(1, 1 / 3999)
    torch.testing.assert_close(
        weighting.weights(1, 2, losses), vector(0.001, 1.9995)
    )
    weighting.weights(2, 2, losses)
    (found,) = recwarn
    assert str(found.message).startswith(
        'The weight of cls would be 0.0005, which the floor raises to 0.001: '
        'that loss is all but switched off, since penalty is so much smaller.'
    )
