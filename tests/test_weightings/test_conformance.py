"""Every weighting of the package, through the conformance suites."""

from __future__ import annotations

import pytest
import torch

from mmada.policies import LossRatioPolicy, PolicyEnsemble
from mmada.testing import (
    GradientWeightingConformance,
    StepWeightingConformance,
    WeightingConformance,
)
from mmada.weightings import (
    POLICY_MODES,
    AggregatorWeighting,
    CombinedPolicyWeighting,
    DynamicWeightAverage,
    Famo,
    FinalPolicyWeighting,
    GradNorm,
    InverseLossWeighting,
    PredictedPolicyWeighting,
    RandomLossWeighting,
    ScheduledWeighting,
    SinglePolicyWeighting,
    StaticWeighting,
    UncertaintyWeighting,
)


def ensemble() -> PolicyEnsemble:
    """Two policies as they are before they learn, but for noise."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        policies = LossRatioPolicy(3), LossRatioPolicy(3)
        for policy in policies:
            for parameter in policy.parameters():
                parameter.data += 0.1 * torch.randn_like(parameter)
    return PolicyEnsemble(
        policies=policies,
        initial_losses=torch.tensor([2.0, 1.0, 0.5], dtype=torch.float64),
        best_weights=torch.tensor([1.0, 0.5, 3.0], dtype=torch.float64),
    )


class TestStatic(WeightingConformance):
    def build(self) -> StaticWeighting:
        return StaticWeighting([1.0, 2.0, 0.5])


class TestInverseLoss(WeightingConformance):
    def build(self) -> InverseLossWeighting:
        return InverseLossWeighting()


class TestDynamicWeightAverage(WeightingConformance):
    def build(self) -> DynamicWeightAverage:
        return DynamicWeightAverage()


class TestFinalPolicy(WeightingConformance):
    def build(self) -> FinalPolicyWeighting:
        return FinalPolicyWeighting(ensemble())


class TestPredictedPolicy(WeightingConformance):
    def build(self) -> PredictedPolicyWeighting:
        return PredictedPolicyWeighting(ensemble())


class TestSinglePolicy(WeightingConformance):
    def build(self) -> SinglePolicyWeighting:
        return SinglePolicyWeighting(ensemble())


class TestCombinedPolicies(WeightingConformance):
    def build(self) -> CombinedPolicyWeighting:
        return CombinedPolicyWeighting(ensemble())


class TestScheduled(StepWeightingConformance):
    def build(self) -> ScheduledWeighting:
        points = [(0, 2.0), (0.5, 0.0)]
        return ScheduledWeighting(dict(cls=0.5, mask=dict(points=points)))


class TestRandomLoss(StepWeightingConformance):
    def build(self) -> RandomLossWeighting:
        return RandomLossWeighting()


class TestUncertainty(StepWeightingConformance):
    def build(self) -> UncertaintyWeighting:
        return UncertaintyWeighting()


class TestFamo(StepWeightingConformance):
    def build(self) -> Famo:
        return Famo()


class TestGradNorm(GradientWeightingConformance):
    def build(self) -> GradNorm:
        return GradNorm()


class TestGradNormWithSgd(GradientWeightingConformance):
    def build(self) -> GradNorm:
        return GradNorm(optimizer='SGD', lr=0.01)


class _AggregatorConformance(GradientWeightingConformance):
    """Aggregators draw numbers, remember, or do neither."""

    @pytest.fixture(autouse=True)
    def torchjd(self) -> None:
        pytest.importorskip('torchjd', reason='[torchjd] is not installed')


class TestUpGrad(_AggregatorConformance):
    def build(self) -> AggregatorWeighting:
        return AggregatorWeighting('UPGrad')


class TestPcGrad(_AggregatorConformance):
    def build(self) -> AggregatorWeighting:
        return AggregatorWeighting('PCGrad')


class TestNashMtl(_AggregatorConformance):
    def build(self) -> AggregatorWeighting:
        return AggregatorWeighting('NashMTL', dict(n_tasks=3))


class TestGradVac(_AggregatorConformance):
    def build(self) -> AggregatorWeighting:
        return AggregatorWeighting('GradVac')


def test_every_mode_of_a_policy_is_tested() -> None:
    tested = {
        FinalPolicyWeighting,
        PredictedPolicyWeighting,
        SinglePolicyWeighting,
        CombinedPolicyWeighting,
    }
    assert tested == set(POLICY_MODES.values())
