"""Weightings: the loss weights of a single training run, epoch by epoch.

Pure torch: nothing here knows of a detector, a config or a training loop.
"""

from mmada.weightings.aggregator_weighting import AggregatorWeighting
from mmada.weightings.base import Weighting
from mmada.weightings.grad_norm import GradNorm, grad_norm_slope
from mmada.weightings.gradient_weighting import GradientWeighting
from mmada.weightings.head_rule import head_factor
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
from mmada.weightings.static import StaticWeighting

__all__ = [
    'POLICY_MODES',
    'AggregatorWeighting',
    'CombinedPolicyWeighting',
    'FinalPolicyWeighting',
    'GradNorm',
    'GradientWeighting',
    'InverseLossWeighting',
    'PolicyWeighting',
    'PredictedPolicyWeighting',
    'SinglePolicyWeighting',
    'StaticWeighting',
    'Weighting',
    'grad_norm_slope',
    'head_factor',
    'inverse_loss_weights',
]
