"""Hooks of an ordinary training."""

from .durable_checkpoint_hook import DurableCheckpointHook
from .epoch_seed_hook import EpochSeedHook
from .gradient_weighting_hook import GradientWeightingHook
from .loss_weighting_hook import LossWeightingHook
from .policy_weighting_hook import PolicyWeightingHook
from .step_weighting_hook import StepWeightingHook
from .weighting_hook import WeightingHook

__all__ = [
    'DurableCheckpointHook',
    'EpochSeedHook',
    'GradientWeightingHook',
    'LossWeightingHook',
    'PolicyWeightingHook',
    'StepWeightingHook',
    'WeightingHook',
]
