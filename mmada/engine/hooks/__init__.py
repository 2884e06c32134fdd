"""Hooks of an ordinary training."""

from mmada.engine.hooks.durable_checkpoint_hook import DurableCheckpointHook
from mmada.engine.hooks.epoch_seed_hook import EpochSeedHook
from mmada.engine.hooks.gradient_weighting_hook import GradientWeightingHook
from mmada.engine.hooks.loss_weighting_hook import LossWeightingHook
from mmada.engine.hooks.policy_weighting_hook import PolicyWeightingHook
from mmada.engine.hooks.step_weighting_hook import StepWeightingHook
from mmada.engine.hooks.weighting_hook import WeightingHook

__all__ = [
    'DurableCheckpointHook',
    'EpochSeedHook',
    'GradientWeightingHook',
    'LossWeightingHook',
    'PolicyWeightingHook',
    'StepWeightingHook',
    'WeightingHook',
]
