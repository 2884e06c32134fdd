from __future__ import annotations

import re
from typing import Any

import pytest
import torch

from mmada.weightings import ScheduledWeighting

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
        ValueError, match="names 'box', 'mask'; .* cls, bbox, seg"
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
    message = f'`schedules` is {re.escape(repr(schedules))}; expected a dict'
    with pytest.raises(ValueError, match=message):
        ScheduledWeighting(schedules)
