"""Checks of what a user or an engine passes in, with errors that name it."""

from __future__ import annotations

import math
from collections.abc import Iterable
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


def check_bool(name: str, value: Any) -> bool:
    """Return ``value`` if it is True or False.

    Raises:
        ValueError: If it is not.
    """
    if not isinstance(value, bool):
        raise ValueError(f'`{name}` should be True or False. Found {value!r}.')
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
        low: Smallest valid value.
        high: Largest valid value.
        above: Whether ``low`` itself is excluded.

    Raises:
        ValueError: If it is not such a number.
    """
    valid = (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and math.isfinite(value)
        and low <= value <= high
        and not (above and value == low)
    )
    if not valid:
        raise ValueError(
            f'`{name}` should be a finite number'
            f'{_range(low, high, above, False)}. Found {value!r}.'
        )
    return float(value)


def check_numbers(
    name: str,
    value: Any,
    size: int | None = None,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    exclusive: bool = False,
) -> Tensor:
    """Return a sequence of finite numbers in a range as a float64 vector.

    Args:
        name: The option's name, for the message.
        value: What was found: numbers, or a tensor of them.
        size: How many there should be; None for one or more.
        low: Smallest valid value.
        high: Largest valid value.
        exclusive: Whether ``low`` and ``high`` themselves are excluded.

    Raises:
        ValueError: If they are not such numbers.
    """
    try:
        vector = torch.as_tensor(value, dtype=torch.float64).detach()
    except (TypeError, ValueError, RuntimeError):
        vector = torch.empty(0)
    inside = (vector >= low) & (vector <= high)
    if exclusive:
        inside &= (vector > low) & (vector < high)
    fits = vector.ndim == 1 and len(vector) == (size or max(1, len(vector)))
    if not fits or not bool((inside & vector.isfinite()).all()):
        raise ValueError(
            f'`{name}` should be {size or "one or more"} finite numbers'
            f'{_range(low, high, exclusive, exclusive)}. Found {value!r}.'
        )
    return vector.to('cpu', copy=True)


def _range(low: float, high: float, above: bool, below: bool) -> str:
    """Say in which range a number should be; nothing for any."""
    if high == math.inf:
        if low == -math.inf:
            return ''
        return f' above {low}' if above else f' of at least {low}'
    return f' in {"(" if above else "["}{low}, {high}{")" if below else "]"}'


def check_groups(name: str, value: Any, size: int) -> list[list[int]]:
    """Return groups of indices, none of them empty or in two groups.

    Args:
        name: The option's name, for the message.
        value: What was found.
        size: Indices are from 0 to ``size - 1``.

    Raises:
        ValueError: If they are no such groups.
    """
    try:
        groups = [list(group) for group in value]
    except TypeError:
        groups = [[]]
    members = [index for group in groups for index in group]
    valid = all(type(i) is int and 0 <= i < size for i in members)
    if not valid or len(set(members)) < len(members) or not all(groups):
        raise ValueError(
            f'`{name}` should be lists of different indices below {size}. '
            f'Found {value!r}.'
        )
    return groups


def check_choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """Return ``value`` if it is one of some names.

    Raises:
        ValueError: If it is not, listing them.
    """
    known = list(choices)
    if value not in known:  # not of a dict: it may be unhashable
        raise ValueError(
            f'`{name}` should be one of {", ".join(map(repr, known))}. '
            f'Found {value!r}.'
        )
    return value


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
