from __future__ import annotations

import math

import pytest
import torch

from mmada.controllers.rewards import clipped_reward
from mmada.controllers.verdict import Verdict, judge

NAN = math.nan
LEGAL = [True] * 4


def verdict(
    metrics: list[float], legal: list[bool], noise_floor: float = 0.0
) -> Verdict:
    return judge(
        torch.tensor(metrics, dtype=torch.float64),
        torch.tensor(legal),
        None,
        0.5,
        clipped_reward,
        noise_floor,
    )


@pytest.mark.parametrize(
    ('metrics', 'legal', 'rewards', 'reason', 'teaches'),
    [
        ([1, 1, 3, 3], LEGAL, [-1, -1, 1, 1], '', True),
        ([1, 3, NAN, 3], [True] * 3 + [False], [-1, 1, -1, -1], '', True),
        ([2, 2, 2, 2], LEGAL, [0, 0, 0, 0], 'spread by 0', False),
        ([2, 2, NAN, 2], LEGAL, [0, 0, -1, 0], 'spread by 0', False),
        ([2, NAN, NAN, NAN], LEGAL, [0, -1, -1, -1], '1 of 4', False),
        ([NAN] * 4, LEGAL, [-1] * 4, '0 of 4 replicas are valid', False),
        ([NAN] * 4, [False] * 4, [-1] * 4, '0 of 4', False),
        (
            [1, 2, 3, 4],
            [False] * 4,
            [-1] * 4,
            '0 of 4 replicas are valid, 4 sampled a negative weight',
            True,
        ),
        ([2, 2, 2, 5], [True] * 3 + [False], [0, 0, 0, -1], 'spread', True),
    ],
)
def test_rounds(
    metrics: list[float],
    legal: list[bool],
    rewards: list[float],
    reason: str,
    teaches: bool,
) -> None:
    found = verdict(metrics, legal)
    if metrics[:2] == [1, 3]:  # two valid ones: mean 2, deviation 1
        assert found.spread == 1
    assert found.rewards.tolist() == pytest.approx(rewards)
    assert found.teaches == teaches
    assert reason in found.reason and bool(reason) == bool(found.reason)


def test_noise_floor_takes_small_differences_for_none() -> None:
    assert verdict([1, 1, 3, 3], LEGAL, noise_floor=0.9).teaches
    quiet = verdict([1, 1, 3, 3], LEGAL, noise_floor=1.1)
    assert not quiet.teaches and quiet.rewards.tolist() == [0] * 4
    assert quiet.reason == 'the metrics spread by 1, less than 1.1'
