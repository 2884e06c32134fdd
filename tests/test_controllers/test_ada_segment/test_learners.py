from __future__ import annotations

import pytest
import torch

from mmada.controllers.ada_segment.exploration import GaussianExploration
from mmada.controllers.ada_segment.learners import (
    Experience,
    ReinforceLearner,
    parameters_of,
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
    ('name', 'value'), [('lr', -0.1), ('weight_decay', -1)]
)
def test_bad_options(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f'`{name}`.*{value}'):
        ReinforceLearner(LossRatioPolicy(2), **{name: value})
