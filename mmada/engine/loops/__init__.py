"""Loops of a runner: rounds of exploration, then a training."""

from mmada.engine.loops.explore_then_train_loop import (
    ExploreThenTrainLoop,
    search_configs,
)
from mmada.engine.loops.parallel_exploration_loop import (
    ParallelExplorationLoop,
)
from mmada.engine.replicas.live_replica import ReplicaError

__all__ = [
    'ExploreThenTrainLoop',
    'ParallelExplorationLoop',
    'ReplicaError',
    'search_configs',
]
