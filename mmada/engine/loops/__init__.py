"""Loops of a runner: rounds of exploration, then a training."""

from mmada.engine.replicas.agreement import ReplicaError

from .explore_then_train_loop import ExploreThenTrainLoop
from .parallel_exploration_loop import ParallelExplorationLoop

__all__ = [
    'ExploreThenTrainLoop',
    'ParallelExplorationLoop',
    'ReplicaError',
]
