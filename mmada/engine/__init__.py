"""Loops, hooks and the state of a run: timing and transactions."""

from mmengine.registry import TASK_UTILS

from mmada import controllers, weightings
from mmada.engine.registration import ShuffledRewards
from mmada.policies.policy_file import (
    PolicyFileError,
    load_policy,
    save_policy,
)

from .checkpoints.latest_checkpoint import (
    CheckpointError,
    find_latest_checkpoint,
)
from .hooks import (
    DurableCheckpointHook,
    EpochSeedHook,
    GradientWeightingHook,
    LossWeightingHook,
    PolicyWeightingHook,
    StepWeightingHook,
)
from .loops import ExploreThenTrainLoop, ParallelExplorationLoop
from .optimizers import HeadRuleOptimWrapperConstructor

# The mathematics knows nothing of a registry, so it is registered from here.
for _class in (
    controllers.AdaSegment,
    controllers.AmLfs,
    controllers.AutoSegLossSearch,
    controllers.BohbSearch,
    controllers.GridSearch,
    controllers.PopulationTraining,
    controllers.RandomSearch,
    controllers.RandomWeights,
    controllers.SlopeSearch,
    weightings.StaticWeighting,
    weightings.InverseLossWeighting,
    weightings.GradNorm,
    weightings.AggregatorWeighting,
    weightings.DynamicWeightAverage,
    weightings.Famo,
    weightings.RandomLossWeighting,
    weightings.ScheduledWeighting,
    weightings.UncertaintyWeighting,
):
    TASK_UTILS.register_module(module=_class)

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
    'find_latest_checkpoint',
    'load_policy',
    'save_policy',
]
