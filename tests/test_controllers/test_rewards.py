"""Rewards by hand, and which rounds are informative."""

from __future__ import annotations

import math

import pytest
import torch

from mmada.controllers.rewards import (
    RoundRewards,
    clipped_reward,
    improvement_reward,
    local_progress_reward,
    local_reward,
    metric_spread,
    progress_reward,
    reward_round,
    select_best,
    standardised_reward,
)

NAN = math.nan


def vector(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_local_reward_by_hand() -> None:
    # mean 3, squared offsets 4 0 4, population variance 8 / 3
    rewards = local_reward(vector(1, 3, 5), torch.ones(3, dtype=torch.bool))
    root = math.sqrt(8 / 3)
    torch.testing.assert_close(rewards, vector(-2 / root, 0, 2 / root))


def test_local_reward_ignores_invalid_replicas() -> None:
    metrics = vector(1, 99, 5, NAN)
    valid = torch.tensor([True, False, True, False])
    # mean 3 and deviation 2 of the two valid ones
    torch.testing.assert_close(
        local_reward(metrics, valid), vector(-1, 0, 1, 0)
    )


def test_improvement_reward_by_hand() -> None:
    metrics = vector(1, 3, 5)
    rewards = improvement_reward(metrics, torch.ones(3, dtype=torch.bool), 2.0)
    root = math.sqrt(8 / 3)
    torch.testing.assert_close(rewards, vector(-1 / root, 1 / root, 3 / root))


def test_improvement_reward_divides_by_the_spread_of_the_improvement() -> None:
    metrics = torch.rand(
        8, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    gain = metrics - 0.3
    torch.testing.assert_close(
        gain.std(correction=0), metrics.std(correction=0)
    )
    torch.testing.assert_close(
        improvement_reward(metrics, torch.ones(8, dtype=torch.bool), 0.3),
        gain / gain.std(correction=0),
    )


def test_rewards_without_the_gain_by_hand() -> None:
    metrics = vector(1, 99, 5, NAN)
    valid = torch.tensor([True, False, True, False])
    for reference in (None, 2.0):
        muted = local_progress_reward(metrics, valid, reference, 0.25)
        assert muted.tolist() == [-0.25, -1, 0.25, -1]
        full = standardised_reward(metrics, valid, reference, 0.25)
        assert full.tolist() == [-1, -1, 1, -1]


def test_progress_reward_identity() -> None:
    metrics = 40 + torch.rand(
        8, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    )
    valid = torch.ones(8, dtype=torch.bool)
    reference, t, rounds = 39.7, 5, 12
    expected = (
        t
        / rounds
        * (
            2 * local_reward(metrics, valid)
            + (metrics.mean() - reference) / metrics.std(correction=0)
        )
    )
    torch.testing.assert_close(
        progress_reward(metrics, valid, reference, t / rounds), expected
    )


def test_progress_reward_without_a_reference() -> None:
    rewards = progress_reward(
        vector(1, 5), torch.ones(2, dtype=torch.bool), None, 0.25
    )
    torch.testing.assert_close(rewards, vector(-0.25, 0.25))


def test_invalid_reward_is_not_scaled() -> None:
    valid = torch.tensor([True, True, False])
    metrics = vector(1, 5, 7)
    assert progress_reward(metrics, valid, 3.0, 0.1)[2] == -1
    assert clipped_reward(metrics, valid, 3.0, 0.1)[2] == -1


def test_clipped_reward_bounds_an_outlier() -> None:
    metrics = vector(*[0.0] * 9, 10.0)
    valid = torch.ones(10, dtype=torch.bool)
    # standardised: nine at -1/3, one at 3
    torch.testing.assert_close(
        clipped_reward(metrics, valid, None, 0.0, clip=2.0),
        vector(*[-1 / 3] * 9, 2.0),
    )
    assert clipped_reward(metrics, valid, None, 0.0, clip=9.0)[9] == (
        pytest.approx(3.0)
    )


@pytest.mark.parametrize(
    'metrics',
    [
        vector(3, 3, 3),
        vector(3, 3, 3 + 1e-9),
        vector(3, NAN, NAN),
    ],
)
def test_no_spread_no_reward(metrics: torch.Tensor) -> None:
    valid = metrics.isfinite()
    for reward in (progress_reward, clipped_reward):
        rewards = reward(metrics, valid, 1.0, 1.0)
        assert torch.equal(rewards[valid], torch.zeros(int(valid.sum())))
        assert (rewards[~valid] == -1).all()


def test_one_replica_has_no_spread() -> None:
    assert metric_spread(vector(4), torch.tensor([True])) == 0


@pytest.mark.parametrize(
    ('metrics', 'best'),
    [
        (vector(1, 3, 2), 1),
        (vector(3, 1, 3), 0),
        (vector(NAN, 1, 2, 2), 2),
        (vector(math.inf, -5, NAN), 1),
        (vector(NAN, NAN), -1),
    ],
)
def test_select_best(metrics: torch.Tensor, best: int) -> None:
    assert select_best(metrics) == best


VALID = [True] * 4


def reward(
    metrics: list[float], valid_actions: list[bool], **options: float
) -> RoundRewards:
    return reward_round(
        torch.tensor(metrics, dtype=torch.float64),
        clipped_reward,
        valid_actions=torch.tensor(valid_actions),
        **options,
    )


SCORED = 'all valid replicas scored 2'


@pytest.mark.parametrize(
    ('metrics', 'valid_actions', 'rewards', 'reason', 'informative'),
    [
        ([1, 1, 3, 3], VALID, [-1, -1, 1, 1], '', True),
        ([1, 3, NAN, 3], [True] * 3 + [False], [-1, 1, -1, -1], '', True),
        (
            [2, 2, 2, 2],
            VALID,
            [0, 0, 0, 0],
            'all valid replicas scored 2',
            False,
        ),
        (
            [2, 2, NAN, 2],
            VALID,
            [0, 0, -1, 0],
            'all valid replicas scored 2',
            False,
        ),
        ([2, NAN, NAN, NAN], VALID, [0, -1, -1, -1], '1 of 4', False),
        ([NAN] * 4, VALID, [-1] * 4, '0 of 4 replicas are valid', False),
        ([NAN] * 4, [False] * 4, [-1] * 4, '0 of 4', False),
        (
            [1, 2, 3, 4],
            [False] * 4,
            [-1] * 4,
            '0 of 4 replicas are valid, 4 sampled a negative weight',
            True,
        ),
        ([2, 2, 2, 5], [True] * 3 + [False], [0, 0, 0, -1], SCORED, True),
    ],
)
def test_which_rounds_are_informative(
    metrics: list[float],
    valid_actions: list[bool],
    rewards: list[float],
    reason: str,
    informative: bool,
) -> None:
    found = reward(metrics, valid_actions)
    if metrics[:2] == [1, 3]:  # two valid ones: mean 2, deviation 1
        assert found.spread == 1
    assert found.rewards.tolist() == pytest.approx(rewards)
    assert found.informative == informative
    assert reason in found.reason and bool(reason) == bool(found.reason)


def test_noise_floor_takes_small_differences_for_none() -> None:
    assert reward([1, 1, 3, 3], VALID, noise_floor=0.9).informative
    found = reward([1, 1, 3, 3], VALID, noise_floor=1.1)
    assert not found.informative and found.rewards.tolist() == [0] * 4
    assert found.reason == 'the metrics spread by 1, less than 1.1'


def test_all_actions_are_valid_unless_told() -> None:
    metrics = torch.tensor([1.0, 1.0, 3.0, NAN], dtype=torch.float64)
    found = reward_round(metrics, clipped_reward)
    assert found.valid.tolist() == [True, True, True, False]
    assert found.informative


def test_reference_and_progress_reach_the_reward() -> None:
    metrics = vector(1, 5)  # r_local -1 and 1, r_imp -1 and 1 from 3
    found = reward_round(
        metrics, progress_reward, reference=3.0, progress=0.25
    )
    assert found.rewards.tolist() == [-0.5, 0.5]
