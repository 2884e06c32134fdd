"""Weights that are planned: constants, schedules and their points."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
import torch

from mmada.weightings import Schedule, ScheduledWeighting, StaticWeighting

NAMES = ('cls', 'bbox', 'seg')


def begun(**schedules) -> ScheduledWeighting:
    weighting = ScheduledWeighting(schedules)
    weighting.begin(NAMES)
    return weighting


def test_each_objective_follows_its_own_schedule() -> None:
    weighting = begun(seg=dict(points=[(0, 2.0), (0.5, 0.0)]), cls=0.5)
    found = [weighting.weights(step, 8).tolist() for step in range(8)]
    assert [w[0] for w in found] == [0.5] * 8
    assert [w[1] for w in found] == [1] * 8
    assert [w[2] for w in found] == [2, 1.5, 1, 0.5, 0, 0, 0, 0]
    assert weighting.weights(0, 8).dtype == torch.float64


@pytest.mark.parametrize('iters', [1, 7, 100])
def test_a_jump_falls_on_the_same_epoch_at_any_length(iters: int) -> None:
    """Epochs 9 to 12 of 12, however many iterations one has."""
    weighting = begun(
        bbox=dict(points=[(0, 1.0), (8 / 12, 0.1)], shape='hold')
    )
    found = [
        weighting.weights(epoch * iters, 12 * iters)[1].item()
        for epoch in range(12)
    ]
    assert found == [1.0] * 8 + [0.1] * 4
    assert weighting.weights(8 * iters - 1, 12 * iters)[1] == 1


def test_unknown_names_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"'cls', 'bbox', 'seg'.*Found \['box', 'mask'\]"
    ):
        begun(mask=1.0, box=2.0)


@pytest.mark.parametrize(
    ('schedule', 'message'),
    [
        (-1.0, "'seg': `value`"),
        ('high', "'seg': `value`.*'high'"),
        (dict(points=[]), "'seg': `points`"),
        (dict(point=[(0, 1)]), "'seg': .*'point'"),
    ],
)
def test_a_bad_schedule_is_named(schedule, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        begun(seg=schedule)


@pytest.mark.parametrize('schedules', [[1, 2], 'seg', 0.5, None])
def test_what_names_no_objectives_is_refused(schedules: Any) -> None:
    message = f'`schedules` should be a dict.*{re.escape(repr(schedules))}'
    with pytest.raises(ValueError, match=message):
        ScheduledWeighting(schedules)


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
        ([], r'`points` should be one or more pairs.*Found \[\]'),
        ([(0, 1, 2)], 'one or more pairs'),
        ([(0, 1), (0, 2)], '`points` should rise in progress'),
        ([(0.5, 1), (0.2, 2)], '`points` should rise in progress'),
        ([(0, -1)], '`value`.*-1'),
        ([(1.5, 1)], r'`progress`.*1\.5'),
    ],
)
def test_bad_points(points: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Schedule(points)


def test_an_unknown_shape() -> None:
    with pytest.raises(
        ValueError, match="`shape` should be one of 'hold'.*'square'"
    ):
        Schedule(POINTS, 'square')


LOSSES = torch.tensor([0.5, 2.0])


@pytest.mark.parametrize(
    'weights', [[1, 3], (1.0, 3.0), torch.tensor([1.0, 3.0])]
)
def test_the_same_weights_in_every_epoch(weights) -> None:
    weighting = StaticWeighting(weights)
    for epoch in (1, 2, 5):
        given = weighting.weights(epoch, 5, LOSSES * epoch)
        assert given.tolist() == [1, 3] and given.dtype == torch.float64
        given += 7  # a caller's change is the caller's own
    assert not weighting.needs_losses


@pytest.mark.parametrize('weights', [[], [1, 0], [1, -1], [1, float('nan')]])
def test_bad_constants(weights: list[float]) -> None:
    with pytest.raises(ValueError, match='`weights`'):
        StaticWeighting(weights)


@pytest.mark.parametrize('weights', [{'cls': 1}, 'abc', None, ['x']])
def test_what_is_no_list_of_numbers_is_named(weights: Any) -> None:
    message = f'`weights` should be.*numbers.*Found {re.escape(repr(weights))}'
    with pytest.raises(ValueError, match=message):
        StaticWeighting(weights)


def test_constants_keep_no_state() -> None:
    weighting = StaticWeighting([1, 2])
    assert weighting.state_dict() == {}
    weighting.load_state_dict({})
    with pytest.raises(ValueError, match=r"StaticWeighting.*\['losses'\]"):
        weighting.load_state_dict(dict(losses=1))
