"""AND, OR and XOR of a Boolean algebra, for numbers in [0, 1].

Each agrees with its truth table at 0 and 1 and is linear in each argument.
"""

from __future__ import annotations

from torch import Tensor


def soft_and(first: Tensor, second: Tensor) -> Tensor:
    """Return ``a b``."""
    return first * second


def soft_or(first: Tensor, second: Tensor) -> Tensor:
    """Return ``a + b - a b``."""
    return first + second - first * second


def soft_xor(either: Tensor, both: Tensor) -> Tensor:
    """Return OR less AND, not below 0.

    AND and OR may come from different curves, and only their order at the
    corners of the truth table is certain.
    """
    return (either - both).clamp_(min=0)
