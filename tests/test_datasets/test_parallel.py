"""Order, laziness, processes, and the line of progress."""

from __future__ import annotations

import os

import pytest

from mmada.datasets import parallel


def square(number):
    return number**2, os.getpid()


def test_results_come_in_order_from_other_processes():
    found = list(parallel.ordered_map(square, range(100), workers=2))
    assert [value for value, _ in found] == [k**2 for k in range(100)]
    assert os.getpid() not in {process for _, process in found}


def test_one_worker_takes_items_as_they_are_asked_for():
    taken = []
    items = (taken.append(k) or k for k in range(9))
    results = parallel.ordered_map(square, items, workers=1)
    assert next(results) == (0, os.getpid())
    assert taken == [0]


def test_an_error_comes_through():
    with pytest.raises(TypeError, match='unsupported operand'):
        list(parallel.ordered_map(square, ['x'], workers=2))


def test_progress_is_said_now_and_then(monkeypatch, capsys):
    clock = iter(range(0, 1000, 3))
    monkeypatch.setattr(parallel.time, 'monotonic', lambda: next(clock))
    results = parallel.with_progress('abcd', 4, 'letters')
    assert list(results) == list('abcd')
    assert capsys.readouterr().err.splitlines() == [
        'letters: 1 of 4, 9 s left',
        'letters: 2 of 4, 6 s left',
        'letters: 3 of 4, 3 s left',
        'letters: 4 of 4, 0 s left',
    ]


def test_progress_of_a_short_work_is_silent(capsys):
    assert list(parallel.with_progress([1, 2], 2, 'x')) == [1, 2]
    assert capsys.readouterr().err == ''
