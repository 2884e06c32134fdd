"""Weightings: the loss weights of a single training run.

Pure torch: nothing here knows of a detector, a config or a training loop.
"""

from mmada.weightings.aggregator_weighting import AggregatorWeighting
from mmada.weightings.base import GradientWeighting, StepWeighting, Weighting
from mmada.weightings.dynamic_average import (
    DynamicWeightAverage,
    dynamic_average_weights,
)
from mmada.weightings.famo import Famo
from mmada.weightings.grad_norm import GradNorm, grad_norm_slope
from mmada.weightings.inverse_loss import (
    InverseLossWeighting,
    inverse_loss_weights,
)
from mmada.weightings.policy import (
    POLICY_MODES,
    CombinedPolicyWeighting,
    FinalPolicyWeighting,
    PolicyWeighting,
    PredictedPolicyWeighting,
    SinglePolicyWeighting,
)
from mmada.weightings.random_loss import RandomLossWeighting
from mmada.weightings.scheduled import (
    Schedule,
    ScheduledWeighting,
    StaticWeighting,
)
from mmada.weightings.uncertainty import UncertaintyWeighting

__all__ = [
    'POLICY_MODES',
    'AggregatorWeighting',
    'CombinedPolicyWeighting',
    'DynamicWeightAverage',
    'Famo',
    'FinalPolicyWeighting',
    'GradNorm',
    'GradientWeighting',
    'InverseLossWeighting',
    'PolicyWeighting',
    'PredictedPolicyWeighting',
    'RandomLossWeighting',
    'Schedule',
    'ScheduledWeighting',
    'SinglePolicyWeighting',
    'StaticWeighting',
    'StepWeighting',
    'UncertaintyWeighting',
    'Weighting',
    'dynamic_average_weights',
    'grad_norm_slope',
    'inverse_loss_weights',
]
