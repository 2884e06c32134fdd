from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mmada.controllers import (
    ConstantPolicy,
    LossRatioPolicy,
    PolicyEnsemble,
)
from mmada.weightings import (
    POLICY_MODES,
    CombinedPolicyWeighting,
    FinalPolicyWeighting,
    PredictedPolicyWeighting,
    SinglePolicyWeighting,
)


def vector(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def constant_policy(value: float) -> LossRatioPolicy:
    """A policy with pi(l) = value, so that the weights are value / l."""
    policy = LossRatioPolicy(2, hidden=1)
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.zero_()
        policy.net[-1].bias.fill_(value)
    return policy


@pytest.fixture
def ensemble() -> PolicyEnsemble:
    return PolicyEnsemble(
        policies=(constant_policy(1.0), constant_policy(4.0)),
        initial_losses=vector(2, 4),
        best_weights=vector(5, 6),
    )


def test_final_gives_the_winners_weights(ensemble: PolicyEnsemble) -> None:
    weighting = FinalPolicyWeighting(ensemble)
    for epoch in (1, 2, 3):
        given = weighting.weights(epoch, 3, vector(1, epoch))
        assert given.tolist() == [5, 6]
    assert not weighting.needs_losses


def test_pred_depends_on_the_initial_losses_alone(
    ensemble: PolicyEnsemble,
) -> None:
    weighting = PredictedPolicyWeighting(ensemble)
    for epoch, losses in (
        (1, vector(2, 4)),
        (2, vector(9, 9)),
        (3, vector(7, 1)),
    ):
        assert weighting.weights(epoch, 3, losses).tolist() == [2, 1]


@pytest.mark.parametrize('mode', POLICY_MODES)
def test_the_initial_losses_of_a_run_are_taken_over_and_kept(
    mode: str, ensemble: PolicyEnsemble
) -> None:
    weighting = POLICY_MODES[mode](ensemble)
    weighting.load_state_dict(dict(initial_losses=torch.tensor([1.0, 2.0])))
    resumed = POLICY_MODES[mode](ensemble)
    resumed.load_state_dict(weighting.state_dict())
    assert resumed.ensemble.initial_losses.tolist() == [1, 2]
    assert ensemble.initial_losses.tolist() == [2, 4]


def test_pred_follows_measured_initial_losses(
    ensemble: PolicyEnsemble,
) -> None:
    weighting = PredictedPolicyWeighting(ensemble)
    weighting.load_state_dict(dict(initial_losses=vector(1, 2)))
    assert weighting.weights(2, 3, vector(9, 9)).tolist() == [4, 2]


def test_single_follows_the_losses(ensemble: PolicyEnsemble) -> None:
    weighting = SinglePolicyWeighting(ensemble)
    assert weighting.weights(1, 3, vector(1, 2)).tolist() == [4, 2]
    assert weighting.weights(2, 3, vector(2, 8)).tolist() == [2, 0.5]


def test_comb_is_equation_7_by_hand(ensemble: PolicyEnsemble) -> None:
    # T = 2, E = 4: epoch e lies at e / 2. For e = 1 the distances to rounds
    # 1 and 2 are 0.5 and 1.5, for e = 4 they are 1 and 0.
    weighting = CombinedPolicyWeighting(ensemble)
    losses = vector(1, 2)
    for epoch, distances in (
        (1, (0.5, 1.5)),
        (2, (0, 1)),
        (3, (0.5, 0.5)),
        (4, (1, 0)),
    ):
        first, second = (0.9**distance for distance in distances)
        value = (first * 1 + second * 4) / (first + second)
        torch.testing.assert_close(
            weighting.weights(epoch, 4, losses), vector(value, value / 2)
        )


def test_modes_carry_the_papers_names() -> None:
    assert (
        dict(
            final=FinalPolicyWeighting,
            pred=PredictedPolicyWeighting,
            single=SinglePolicyWeighting,
            comb=CombinedPolicyWeighting,
        )
        == POLICY_MODES
    )


@pytest.mark.parametrize('mode', ['single', 'comb'])
def test_malformed_losses(mode: str, ensemble: PolicyEnsemble) -> None:
    with pytest.raises(ValueError, match='`losses`'):
        POLICY_MODES[mode](ensemble).weights(1, 3, vector(1, 2, 3))


@pytest.mark.parametrize(
    ('mode', 'expected'),
    [
        ('final', [[5, 6]] * 3),
        ('pred', [[4, 0.25]] * 3),
        ('single', [[4, 0.25]] * 3),
        ('comb', [[2, 1], [0.5, 8], [4, 0.25]]),
    ],
)
def test_a_schedule_of_weights_in_each_mode(
    mode: str, expected: list[list[float]]
) -> None:
    rows = vector(2, 1), vector(0.5, 8), vector(4, 0.25)
    replayed = PolicyEnsemble(
        policies=tuple(map(ConstantPolicy.of, rows)),
        initial_losses=vector(1, 1),
        best_weights=vector(5, 6),
        gamma=1e-300,  # the nearest round alone
    )
    weighting = POLICY_MODES[mode](replayed)
    for epoch, wanted in enumerate(expected, 1):
        given = weighting.weights(epoch, 3, vector(epoch, 7))
        torch.testing.assert_close(given, vector(*wanted))
