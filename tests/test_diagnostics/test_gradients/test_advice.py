"""Which sentence follows from which numbers."""

from __future__ import annotations

import math

import pytest
import torch

from mmada.diagnostics.gradients import Gradients, advise
from mmada.diagnostics.gradients.advice import standard_errors

NAMES = ('cls', 'box', 'seg')


def gradients(
    shares: tuple[float, float, float] = (0.4, 0.3, 0.3),
    cosine: tuple[float, ...] = (0.0, 0.1, 0.0, 0.1),
    noise: float = 1.0,
) -> Gradients:
    """Batches with a cosine of cls and box each, the others 0."""
    vector = torch.tensor(shares, dtype=torch.float64)
    batches = torch.eye(3).double().repeat(len(cosine), 1, 1)
    batches[:, 0, 1] = batches[:, 1, 0] = torch.tensor(cosine).double()
    return Gradients(
        names=NAMES,
        losses=vector.clone(),
        norms=vector,
        shares=vector,
        with_sum=vector,
        noise=torch.full((3,), noise).double(),
        cosines=batches.mean(0),
        batch_cosines=batches,
        num_parameters=1,
        size=2,
    )


def said(found: Gradients, trained: bool = True) -> str:
    return '\n'.join(advise(found, trained))


def test_even_losses_leave_ones() -> None:
    text = said(gradients())
    assert 'No loss dominates the gradient of the shared layers, and' in text
    assert '30.0% to 40.0%' in text
    assert 'No two losses conflict' in text
    assert 'all ones are hard to beat' in text
    assert 'over 4 times' not in text
    assert '--checkpoint' not in text


def test_a_large_and_a_small_one_need_the_size_of_the_losses() -> None:
    text = said(gradients((0.9, 0.09, 0.01)))
    assert 'cls (90%) dominates the gradient of the shared layers' in text
    assert 'The gradient of seg (1.00%) is small' in text
    assert 'box (' not in text
    assert 'a method that looks at the size of the losses' in text
    assert 'SlopeSearch' in text and 'The page "Benchmark"' in text


@pytest.mark.parametrize('largest', [0.45, 0.55])
def test_what_dominates_has_more_than_half(largest: float) -> None:
    rest = (1 - largest) / 2
    text = said(gradients((largest, rest, rest)))
    assert ('cls (55%) dominates' in text) is (largest > 0.5)


@pytest.mark.parametrize('second', [0.40, 0.43])
def test_two_that_are_about_equal_are_named_together(second: float) -> None:
    text = said(gradients((second, 0.52, 0.48 - second)))
    together = (
        f'box (52%) and cls ({second:.0%}) have gradients of about equal'
    )
    assert (together in text) is (second > 0.8 * 0.52)
    assert ('box (52%) dominates' in text) is (second < 0.8 * 0.52)


@pytest.mark.parametrize(
    ('cosines', 'conflict'),
    [
        ((-0.3, -0.4, -0.3, -0.4), True),
        ((-0.04, -0.05, -0.04, -0.05), False),  # sure, and small
        ((-0.9, 0.4, -0.9, 0.4), False),  # the batches do not agree
    ],
)
def test_a_conflict_is_one_that_the_batches_agree_on(
    cosines: tuple[float, ...], conflict: bool
) -> None:
    text = said(gradients(cosine=cosines))
    assert ('In conflict, by cosine: cls and box' in text) is conflict
    assert ('UPGrad ends level with ones' in text) is conflict


def test_noise_and_what_is_missing_are_named() -> None:
    text = said(gradients(noise=9.0))
    assert 'cls, box and seg differs over 4 times' in text
    found = gradients((0.6, 0.4, math.nan))
    assert 'seg had no loss in these batches' in said(found)


def test_a_new_model_is_said_to_be_new() -> None:
    assert '--checkpoint' in said(gradients(), trained=False)


def test_standard_errors_by_hand() -> None:
    values = torch.tensor([[1.0, 1.0], [3.0, math.nan]])
    found = standard_errors(values)
    assert found[0] == 1  # deviation sqrt 2 over sqrt 2
    assert found[1].isnan()
