"""AND, OR and XOR of soft edges, by hand."""

from __future__ import annotations

import torch

from mmada.surrogates.boundary_f1 import soft_and, soft_or, soft_xor

FIRST = torch.tensor([0.0, 0.0, 1.0, 1.0, 0.5])
SECOND = torch.tensor([0.0, 1.0, 0.0, 1.0, 0.4])


def test_truth_tables_and_what_lies_between():
    both, either = soft_and(FIRST, SECOND), soft_or(FIRST, SECOND)
    torch.testing.assert_close(both, torch.tensor([0, 0, 0, 1, 0.2]))
    torch.testing.assert_close(either, torch.tensor([0, 1, 1, 1, 0.7]))
    torch.testing.assert_close(
        soft_xor(either, both), torch.tensor([0, 1, 1, 0, 0.5])
    )


def test_xor_is_never_negative():
    assert soft_xor(torch.tensor(0.2), torch.tensor(0.5)) == 0
