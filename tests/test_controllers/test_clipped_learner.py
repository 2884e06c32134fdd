from __future__ import annotations

import pytest
import torch

from mmada.controllers.clipped_learner import (
    ClippedLearner,
    mix,
    relative_spread,
)
from mmada.controllers.exploration import LogWeightExploration
from mmada.controllers.learners import Experience, parameters_of
from mmada.controllers.policies import LogWeightPolicy

LOSSES = torch.tensor([0.2, 0.5, 2.0], dtype=torch.float64)
EXPLORATION = LogWeightExploration(0.4)
SCALE = torch.tensor(1.0, dtype=torch.float64)


def experience(
    policy: LogWeightPolicy, seed: int = 0, spread: float = 1.0
) -> Experience:
    """Four samples of which the first's direction is the good one."""
    with torch.no_grad():
        mean = policy(LOSSES)
    actions = EXPLORATION.sample(
        mean, LOSSES, 4, 1.0, torch.Generator().manual_seed(seed)
    )
    return Experience(
        LOSSES,
        actions,
        EXPLORATION.log_prob(actions, mean, LOSSES, SCALE),
        torch.tensor([1.5, -1.5, 0.0, 0.0]).double(),
        SCALE,
        torch.tensor(spread).double(),
    )


def log_weights(policy: LogWeightPolicy) -> torch.Tensor:
    with torch.no_grad():
        return policy(LOSSES)


def same(first: dict, second: dict) -> bool:
    return all(
        torch.equal(value, second[name]) for name, value in first.items()
    )


def test_rounds_weigh_by_their_spread_over_that_of_all_rounds() -> None:
    spreads = torch.tensor([3.0, 1.0]).double()
    # The root mean square of 3, 1, 1, 1 is sqrt(3).
    found = relative_spread(spreads, [3.0, 1.0, 1.0, 1.0])
    torch.testing.assert_close(found, spreads / 3**0.5)


def test_a_round_of_small_spread_moves_the_policy_less() -> None:
    moved = []
    for spread in (4.0, 0.1):
        policy = LogWeightPolicy(3)
        learner = ClippedLearner(policy, buffer_rounds=1, pull=0)
        learner.update(policy, EXPLORATION, experience(policy))
        before = log_weights(policy)
        data = experience(policy, 1, spread)
        learner.update(policy, EXPLORATION, data)
        moved.append((log_weights(policy) - before).norm().item())
    assert moved[1] < moved[0]


def test_the_policy_moves_towards_the_rewarded_sample() -> None:
    policy = LogWeightPolicy(3)
    data = experience(policy)
    before = log_weights(policy)
    ClippedLearner(policy).update(policy, EXPLORATION, data)
    step = log_weights(policy) - before
    assert step @ (data.actions[0] - before) > 0


@pytest.mark.parametrize('lr', [0.02, 1.0])
@pytest.mark.parametrize('limit', [1e-6, 1e-3, 0.02, 0.05])
def test_no_update_passes_the_kl_limit(limit: float, lr: float) -> None:
    policy = LogWeightPolicy(3)
    learner = ClippedLearner(policy, lr, kl_limit=limit, pull=0)
    before = log_weights(policy)
    info = learner.update(policy, EXPLORATION, experience(policy))
    moved = (log_weights(policy) - before).square().sum().item()
    assert 0 < moved / (2 * 0.4**2) <= limit
    assert info['kl'] == pytest.approx(moved / (2 * 0.4**2))


def test_a_small_rate_takes_all_steps() -> None:
    policy = LogWeightPolicy(3)
    info = ClippedLearner(policy, lr=1e-5).update(
        policy, EXPLORATION, experience(policy)
    )
    assert info['steps'] == 10 and 0 < info['kl'] < 0.01


def test_no_learning_rate_no_change() -> None:
    policy = LogWeightPolicy(3)
    before = parameters_of(policy)
    ClippedLearner(policy, lr=0).update(
        policy, EXPLORATION, experience(policy)
    )
    assert same(before, policy.state_dict())


def test_only_the_last_rounds_are_kept() -> None:
    policy = LogWeightPolicy(3)
    learner = ClippedLearner(policy, buffer_rounds=2)
    rounds = [experience(policy, seed) for seed in range(3)]
    for data in rounds:
        learner.update(policy, EXPLORATION, data)
    kept = learner.state_dict()['buffer']
    assert len(kept) == 2
    assert torch.equal(kept[0]['actions'], rounds[1].actions)


def test_pull_goes_a_share_of_the_way_back() -> None:
    free, pulled = LogWeightPolicy(3), LogWeightPolicy(3)
    origin = parameters_of(free)
    for policy, pull in ((free, 0.0), (pulled, 0.25)):
        ClippedLearner(policy, pull=pull).update(
            policy, EXPLORATION, experience(policy)
        )
    expected = mix(parameters_of(free), origin, 0.25)
    assert same(expected, pulled.state_dict())


def test_recovery_returns_to_the_policy_of_the_last_valid_round() -> None:
    policy = LogWeightPolicy(3)
    learner = ClippedLearner(policy)
    learner.update(policy, EXPLORATION, experience(policy))
    good = parameters_of(policy)
    learner.update(policy, EXPLORATION, experience(policy))
    assert not same(good, policy.state_dict())
    learner.recover(policy)
    assert same(good, policy.state_dict())
    state = learner.state_dict()
    assert state['buffer'] == [] and state['optimizer']['state'] == {}


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('lr', -0.1),
        ('num_updates', 0),
        ('num_updates', 1.5),
        ('buffer_rounds', 0),
        ('clip', 0),
        ('kl_limit', 0),
        ('pull', 1.5),
    ],
)
def test_bad_options(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f'`{name}`.*{value}'):
        ClippedLearner(LogWeightPolicy(3), **{name: value})
