"""Losses of learners by hand, and the steps of the paper's learner."""

from __future__ import annotations

import math

import pytest
import torch

from mmada.controllers.ada_segment.exploration import (
    GaussianExploration,
    gaussian_log_density,
)
from mmada.controllers.ada_segment.learners import (
    Experience,
    ReinforceLearner,
    parameters_of,
    reinforce_loss,
)
from mmada.policies.policy import LossRatioPolicy

LOSSES = torch.tensor([0.5, 2.0], dtype=torch.float64)
EXPLORATION = GaussianExploration(0.2)


def experience(policy: LossRatioPolicy) -> Experience:
    with torch.no_grad():
        mean = policy(LOSSES)
    offsets = torch.tensor([[0.1, 0.3], [-0.2, 0.1], [0.4, -0.1]]).double()
    return Experience(
        LOSSES,
        mean + offsets,
        torch.tensor([1.0, -1.0, 0.5]).double(),
        torch.tensor(1.0).double(),
        torch.tensor(0.8).double(),
    )


def test_one_step_is_adam_on_equation_6() -> None:
    policy = LossRatioPolicy(2)
    twin = LossRatioPolicy(2)
    data = experience(policy)
    ReinforceLearner(policy, 0.05, 5e-4).update(policy, EXPLORATION, data)

    # The same step, written out: mu = net(l) / l, sigma 0.2.
    adam = torch.optim.Adam(twin.parameters(), 0.05, weight_decay=5e-4)
    squares = (data.actions - twin.net(LOSSES) / LOSSES).square().sum(-1)
    objective = (data.rewards * -squares / (2 * 0.2**2)).mean()
    (-objective).backward()
    adam.step()
    for ours, theirs in zip(
        policy.parameters(), twin.parameters(), strict=True
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-14)


def test_several_steps_are_as_many_steps_of_one() -> None:
    many, single = LossRatioPolicy(2), LossRatioPolicy(2)
    data = experience(many)
    learner = ReinforceLearner(many, updates_per_round=3)
    info = learner.update(many, EXPLORATION, data)
    one_by_one = ReinforceLearner(single)
    for _ in range(3):
        last = one_by_one.update(single, EXPLORATION, data)
    assert info == last  # the loss before the last step
    for ours, theirs in zip(
        many.parameters(), single.parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_the_state_of_adam_lives_on() -> None:
    policy = LossRatioPolicy(2)
    learner = ReinforceLearner(policy)
    data = experience(policy)
    for _ in range(3):
        learner.update(policy, EXPLORATION, data)
    steps = [s['step'] for s in learner.optimizer.state.values()]
    assert steps == [3] * 6


def test_recovery_is_not_part_of_the_paper() -> None:
    policy = LossRatioPolicy(2)
    learner = ReinforceLearner(policy)
    learner.update(policy, EXPLORATION, experience(policy))
    before = parameters_of(policy)
    learner.recover(policy)
    assert all(
        torch.equal(before[k], v) for k, v in policy.state_dict().items()
    )


@pytest.mark.parametrize(
    ('name', 'value'),
    [('lr', -0.1), ('weight_decay', -1), ('updates_per_round', 0)],
)
def test_bad_options(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f'`{name}`.*{value}'):
        ReinforceLearner(LossRatioPolicy(2), **{name: value})


def test_reinforce_by_hand_for_three_replicas_of_two_weights() -> None:
    mean = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    samples = torch.tensor(
        [[1.2, 2.0], [0.8, 2.4], [1.0, 1.6]], dtype=torch.float64
    )
    rewards = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    loss = reinforce_loss(
        gaussian_log_density(
            samples - mean, torch.tensor(0.2, dtype=torch.float64)
        ),
        rewards,
    )
    # (sample - mean) / 0.2: squared norms 1, 1 + 4 and 4
    constant = -2 * math.log(0.2 * math.sqrt(2 * math.pi))
    by_hand = (
        -(
            (-0.5 + constant) * 1
            + (-2.5 + constant) * -2
            + (-2.0 + constant) * 0.5
        )
        / 3
    )
    assert loss.item() == pytest.approx(by_hand)
    # d log s / d mean = (sample - mean) / 0.04: (5, 0), (-5, 10), (0, -10)
    loss.backward()
    assert mean.grad.tolist() == pytest.approx(
        [-(5 * 1 - 5 * -2 + 0) / 3, -(0 + 10 * -2 - 10 * 0.5) / 3]
    )
