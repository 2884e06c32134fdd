"""Worked out by hand: gradients (3, 4), (-5, 0) and (0, 2)."""

from __future__ import annotations

import math

import pytest
import torch

from mmada.diagnostics.gradients import equations

GRADIENTS = torch.tensor([[3, 4], [-5, 0], [0, 2]], dtype=torch.float64)
PRODUCTS = GRADIENTS @ GRADIENTS.T
GONE = PRODUCTS.clone()
GONE[2] = GONE[:, 2] = math.nan


def test_norms_and_shares() -> None:
    norms = equations.norms(PRODUCTS)
    assert norms.tolist() == [5, 5, 2]
    assert equations.shares(norms).tolist() == pytest.approx(
        [5 / 12, 5 / 12, 2 / 12]
    )


def test_cosines() -> None:
    assert equations.cosines(PRODUCTS).tolist() == [
        pytest.approx(row)
        for row in ([1, -0.6, 0.8], [-0.6, 1, 0], [0.8, 0, 1])
    ]


def test_cosines_with_the_sum() -> None:
    # The sum is (-2, 6), of size sqrt 40.
    found = equations.cosines_with_sum(PRODUCTS)
    size = math.sqrt(40)
    assert found.tolist() == pytest.approx(
        [18 / 5 / size, 10 / 5 / size, 12 / 2 / size]
    )


def test_what_is_absent_is_left_out() -> None:
    shares = equations.shares(equations.norms(GONE))
    assert shares[:2].tolist() == [0.5, 0.5] and shares[2].isnan()
    # The sum of the others is (-2, 4), of size sqrt 20.
    found = equations.cosines_with_sum(GONE)
    size = math.sqrt(20)
    assert found[:2].tolist() == pytest.approx([10 / 5 / size, 2 / size])
    assert found[2].isnan()


def test_noise_between_batches() -> None:
    # 1 and 3: mean 2, mean square 5, sample variance 2; one batch; 2 and 2.
    found = equations.batch_noise(
        torch.tensor([5.0, 9.0, 4.0]),
        torch.tensor([4.0, 9.0, 4.0]),
        torch.tensor([2, 1, 2]),
    )
    assert found[0] == pytest.approx(math.sqrt(2) / 2)
    assert found[1].isnan()
    assert found[2] == 0
