from __future__ import annotations

import math

import pytest

from mmada.weightings import Schedule

POINTS = [(0.25, 1.0), (0.5, 3.0), (1.0, 0.0)]


@pytest.mark.parametrize(
    ('shape', 'expected'),
    [
        # at progress 0, 0.25, 0.3, 0.375, 0.5, 0.75, 1
        ('hold', [1, 1, 1, 1, 3, 3, 0]),
        ('linear', [1, 1, 1.4, 2, 3, 1.5, 0]),
        ('cosine', [1, 1, 2 - math.cos(0.2 * math.pi), 2, 3, 1.5, 0]),
    ],
)
def test_values_by_hand(shape: str, expected: list[float]) -> None:
    schedule = Schedule(POINTS, shape)
    found = [schedule.at(p) for p in (0, 0.25, 0.3, 0.375, 0.5, 0.75, 1)]
    assert found == pytest.approx(expected)


def test_a_single_point_is_a_constant() -> None:
    schedule = Schedule([(0.5, 2.0)])
    assert [schedule.at(p) for p in (0, 0.5, 1)] == [2, 2, 2]


@pytest.mark.parametrize(
    ('points', 'message'),
    [
        ([], '`points` is .*at least one pair'),
        ([(0, 1, 2)], 'at least one pair'),
        ([(0, 1), (0, 2)], 'progress to rise'),
        ([(0.5, 1), (0.2, 2)], 'progress to rise'),
        ([(0, -1)], '`value`.*-1'),
        ([(1.5, 1)], r'`progress`.*1\.5'),
    ],
)
def test_bad_points(points: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Schedule(points)


def test_an_unknown_shape() -> None:
    with pytest.raises(ValueError, match="'square'; expected one of 'hold'"):
        Schedule(POINTS, 'square')
