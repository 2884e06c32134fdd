"""Replicas are shared out by how fast the groups are."""

import pytest

from mmada.engine.distributed import Paces, share_out


@pytest.mark.parametrize(
    ('pending', 'paces', 'expected'),
    [
        # Equally fast: one each, in their order.
        ([0, 1, 2, 3, 4], [1, 1, 1], [[0], [1], [2]]),
        ([3, 4], [1, 1, 1], [[3], [4], []]),
        # Three in the time of one: ends at 1, 2, 3 and 3.
        ([0, 1, 2, 3, 4, 5], [1, 3], [[0, 1, 2], [3]]),
        ([0, 1, 2, 3, 4, 5], [3, 1], [[2], [0, 1, 3]]),
        # The slow one would end last, at 3: it gets none.
        ([6, 7], [1, 3], [[6], []]),
        # Two of each of the fast ones, 7 // 3, while the slow one trains one.
        (list(range(8)), [3, 3, 7], [[0, 2], [1, 3], [4]]),
        ([5], [2, 2], [[5], []]),
    ],
)
def test_the_replicas_of_a_wave(pending, paces, expected):
    assert share_out(pending, paces) == expected


def waves(num_replicas, paces):
    """Returns the time of a round, in replicas of the fastest group."""
    left, time = list(range(num_replicas)), 0
    while left:
        shares = share_out(left, paces)
        pairs = zip(shares, paces, strict=True)
        time += max(len(share) * pace for share, pace in pairs)
        left = [k for k in left if not any(k in share for share in shares)]
    return time


@pytest.mark.parametrize(
    ('num_replicas', 'paces', 'expected'),
    [
        (8, [1, 1, 1], 3),
        (8, [1, 3], 6),  # 24 / 4 in place of 4 waves of 3
        (8, [1, 1, 1, 3], 3),
        (1, [2, 1], 1),
    ],
)
def test_how_long_a_round_takes(num_replicas, paces, expected):
    assert waves(num_replicas, paces) == expected


def test_one_delay_makes_no_group_slow():
    paces, found = Paces(2), []
    for seconds in (20.0, 80.0, 80.0, 20.0):
        paces.note({0: 20.0, 1: seconds})
        found.append(paces.relative())
    assert found == [[1, 1], [1, 1], [1, 4], [1, 1]]


def test_paces_are_those_of_the_last_replicas():
    paces = Paces(4)
    assert paces.relative() == [1, 1, 1, 1]
    paces.note({0: 20.0, 1: 61.0, 2: 24.9})
    assert paces.relative() == [1, 3, 1, 1]  # 4.9 s are no lead
    paces.note({0: 20.0, 2: 20.0, 3: 45.0})  # 61 becomes 54.9
    assert paces.relative() == [1, 3, 1, 2]
    for _ in range(8):  # ... and 23.6
        paces.note({0: 20.0, 2: 20.0, 3: 20.0})
    assert paces.relative() == [1, 1, 1, 1]
