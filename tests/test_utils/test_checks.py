"""Checks of options: what passes, and what the errors say."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from mmada.utils.checks import (
    check_bool,
    check_choice,
    check_groups,
    check_identity,
    check_number,
    check_numbers,
    check_vector,
)


def test_numbers() -> None:
    assert check_number('x', 1) == 1.0
    assert check_number('x', 0, 0, 1) == 0.0
    for value in (True, '1', float('inf'), float('nan'), None):
        with pytest.raises(ValueError, match='`x`.*Found'):
            check_number('x', value)
    with pytest.raises(ValueError, match=r'\(0, 1\].*Found 0'):
        check_number('x', 0, 0, 1, above=True)


def test_booleans() -> None:
    assert check_bool('x', True) and not check_bool('x', False)
    for value in (1, 'no', None):
        with pytest.raises(ValueError, match=f'True.* Found {value!r}'):
            check_bool('x', value)


@pytest.mark.parametrize('value', [[2, 0.5], (2, 0.5), torch.tensor([2, 0.5])])
def test_sequences_of_numbers(value: Any) -> None:
    vector = check_numbers('x', value, 2, 0.5, 2)
    assert vector.tolist() == [2, 0.5] and vector.dtype == torch.float64
    assert torch.equal(vector, check_numbers('x', value))


def test_checked_numbers_are_a_copy() -> None:
    source = torch.ones(2, dtype=torch.float64, requires_grad=True)
    check_numbers('x', source).zero_()
    assert source.tolist() == [1, 1]


@pytest.mark.parametrize(
    'value',
    [
        [1.0],
        [1.0, 1.0, 1.0],
        [[1.0, 1.0]],
        [1.0, 0.0009],
        [1.0, 2.1],
        [1.0, math.nan],
        [1.0, math.inf],
        [1.0, 'x'],
        [[1.0], [1.0, 2.0]],
        'ones',
        None,
        2.0,
    ],
)
def test_what_is_no_sequence_of_such_numbers(value: Any) -> None:
    with pytest.raises(ValueError, match=r'`x` should be 2 .* \[0.001, 2\]'):
        check_numbers('x', value, 2, 0.001, 2)


@pytest.mark.parametrize('value', [[0.0, 0.5], [0.5, 1.0]])
def test_ends_of_a_range_may_be_excluded(value: list[float]) -> None:
    check_numbers('x', value, 2, 0, 1)
    with pytest.raises(ValueError, match=r'in \(0, 1\)\. Found \['):
        check_numbers('x', value, 2, 0, 1, exclusive=True)


def test_no_numbers_at_all() -> None:
    with pytest.raises(ValueError, match='one or more finite numbers'):
        check_numbers('x', [])


def test_groups_of_indices() -> None:
    assert check_groups('x', ((2, 0), [1]), 4) == [[2, 0], [1]]


@pytest.mark.parametrize(
    'value',
    [[[0, 0]], [[0], [0]], [[0], []], [[4]], [[-1]], [[True]], [0], 'ab', 5],
)
def test_what_is_no_groups_of_indices(value: Any) -> None:
    with pytest.raises(ValueError, match='`x` should be lists of.*below 4'):
        check_groups('x', value, 4)


@pytest.mark.parametrize('value', ['c', None, ['a'], 1])
def test_choices(value: Any) -> None:
    assert check_choice('x', 'b', dict(a=1, b=2)) == 'b'
    with pytest.raises(ValueError, match="`x` should be one of 'a', 'b'. F"):
        check_choice('x', value, dict(a=1, b=2))


def test_vectors_are_detached_copies() -> None:
    source = torch.ones(2, requires_grad=True)
    vector = check_vector('x', source, 2)
    vector += 1
    assert source.tolist() == [1, 1]
    assert vector.dtype == torch.float64 and not vector.requires_grad


def test_identity_names_every_difference() -> None:
    ours = dict(name='a', size=4, options=dict(lr=0.1))
    check_identity(dict(ours), ours)
    with pytest.raises(ValueError) as error:
        check_identity(dict(name='a', size=5, options=dict(lr=0.2)), ours)
    assert 'lr was 0.2 and is 0.1; size was 5 and is 4' in str(error.value)
