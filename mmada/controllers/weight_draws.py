"""Weights that a search without a policy network starts from and draws.

Notation: n objectives, m replicas.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from mmada.policies.ensemble import WEIGHT_FLOOR


def check_weights(name: str, value: Any, size: int) -> Tensor:
    """Return weights as a float64 vector that may be trained with.

    Raises:
        ValueError: If they are not ``size`` finite numbers of at least
            ``WEIGHT_FLOOR``, below which a policy file gives no weights.
    """
    try:
        vector = torch.tensor(value, dtype=torch.float64)
    except (TypeError, ValueError, RuntimeError):
        vector = torch.empty(0)
    legal = vector.isfinite() & (vector >= WEIGHT_FLOOR)
    if tuple(vector.shape) != (size,) or not bool(legal.all()):
        raise ValueError(
            f'`{name}` should be {size} numbers of at least {WEIGHT_FLOOR}. '
            f'Found {value!r}.'
        )
    return vector


def initial_weights(initial: Sequence[float] | None, size: int) -> Tensor:
    """Return what a search starts from, all ones unless told.

    Raises:
        ValueError: If ``initial`` is no vector of weights.
    """
    if initial is None:
        return torch.ones(size, dtype=torch.float64)
    return check_weights('initial', initial, size)


def log_normal(
    centre: Tensor, sigma: float, count: int, generator: Generator
) -> Tensor:
    """Multiply weights by independent factors ``exp(sigma N(0, 1))``.

    Args:
        centre: Positive weights, shape ``(n,)``.
        sigma: Standard deviation of the logarithm of a factor.
        count: Number m of rows.
        generator: Random stream of the factors.

    Returns:
        Weights, shape ``(m, n)``.
    """
    noise = torch.randn(
        count, len(centre), dtype=torch.float64, generator=generator
    )
    return centre * (sigma * noise).exp()
