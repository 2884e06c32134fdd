"""Checks of what a user or an engine passes in, with errors that name it."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor


def check_int(name: str, value: Any, low: int) -> int:
    """Return ``value`` if it is an integer of at least ``low``.

    Raises:
        ValueError: If it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ValueError(
            f'`{name}` should be an integer of at least {low}. '
            f'Found {value!r}.'
        )
    return value


def check_number(
    name: str,
    value: Any,
    low: float = -math.inf,
    high: float = math.inf,
    above: bool = False,
) -> float:
    """Return ``value`` as a float if it is a finite number in a range.

    Args:
        name: The option's name, for the message.
        value: What was found.
        low: Smallest legal value.
        high: Largest legal value.
        above: Whether ``low`` itself is excluded.

    Raises:
        ValueError: If it is not such a number.
    """
    legal = (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and low <= value <= high
        and not (above and value == low)
    )
    if not legal:
        raise ValueError(
            f'`{name}` should be a finite number in '
            f'{"(" if above else "["}{low}, {high}]. Found {value!r}.'
        )
    return float(value)


def check_vector(name: str, value: Any, size: int) -> Tensor:
    """Return a detached float64 copy of a vector on the CPU.

    Raises:
        TypeError: If ``value`` is not a tensor.
        ValueError: If its shape is not ``(size,)``.
    """
    if not isinstance(value, Tensor):
        raise TypeError(
            f'`{name}` should be a tensor. Found {type(value).__name__}.'
        )
    if tuple(value.shape) != (size,):
        raise ValueError(
            f'`{name}` should have shape ({size},). '
            f'Found {tuple(value.shape)}.'
        )
    return value.detach().to('cpu', torch.float64, copy=True)


def check_losses(value: Any, size: int) -> Tensor:
    """Return raw losses as a float64 vector; zero is legal, negative not.

    Policies work on ratios and logarithms of losses, so a negative or
    non-finite mean loss has no meaning for them.

    Raises:
        TypeError: If ``value`` is not a tensor.
        ValueError: If the shape differs or an entry is negative, NaN or inf.
    """
    losses = check_vector('losses', value, size)
    if not bool(torch.isfinite(losses).all() and (losses >= 0).all()):
        raise ValueError(
            '`losses` should be finite and not negative. '
            f'Found {losses.tolist()}.'
        )
    return losses


def check_positive(name: str, value: Any, size: int) -> Tensor:
    """Return a float64 vector of positive numbers.

    Raises:
        TypeError: If ``value`` is not a tensor.
        ValueError: If the shape differs or an entry is not positive and
            finite.
    """
    vector = check_vector(name, value, size)
    if not bool(torch.isfinite(vector).all() and (vector > 0).all()):
        raise ValueError(
            f'`{name}` should be finite and positive. Found {vector.tolist()}.'
        )
    return vector


def check_identity(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """Check that a state belongs to an equally built object.

    Args:
        found: How the object was built that the state is from; entries may
            be dicts themselves, one level deep.
        expected: How this one was built.

    Raises:
        ValueError: If they differ, naming every entry that does.
    """
    theirs, ours = _flat(found), _flat(expected)
    differences = [
        f'{name} was {theirs.get(name)!r} and is {ours.get(name)!r}'
        for name in sorted(set(theirs) | set(ours))
        if theirs.get(name) != ours.get(name)
    ]
    if differences:
        raise ValueError(
            f'The state belongs to another search: {"; ".join(differences)}.'
        )


def _flat(tree: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        flat |= value if isinstance(value, dict) else {name: value}
    return flat
