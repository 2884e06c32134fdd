"""Loops, hooks and the state of a run: timing and transactions."""

from mmada.engine.checkpoints import CheckpointError, find_latest_checkpoint
from mmada.engine.exploration.targets import Target
from mmada.engine.hooks import (
    DurableCheckpointHook,
    EpochSeedHook,
    GradientWeightingHook,
    LossWeightingHook,
    PolicyWeightingHook,
    StepWeightingHook,
)
from mmada.engine.loops import ExploreThenTrainLoop, ParallelExplorationLoop
from mmada.engine.optimizers import HeadRuleOptimWrapperConstructor
from mmada.engine.registration import ShuffledRewards
from mmada.policies.policy_file import (
    PolicyFileError,
    load_policy,
    save_policy,
)

__all__ = [
    'CheckpointError',
    'DurableCheckpointHook',
    'EpochSeedHook',
    'ExploreThenTrainLoop',
    'GradientWeightingHook',
    'HeadRuleOptimWrapperConstructor',
    'LossWeightingHook',
    'ParallelExplorationLoop',
    'PolicyFileError',
    'PolicyWeightingHook',
    'ShuffledRewards',
    'StepWeightingHook',
    'Target',
    'find_latest_checkpoint',
    'load_policy',
    'save_policy',
]
