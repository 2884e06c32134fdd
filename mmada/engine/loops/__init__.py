"""The exploration, alone or followed by a training."""

from .explore_then_train_loop import ExploreThenTrainLoop
from .parallel_exploration_loop import ParallelExplorationLoop

__all__ = ['ExploreThenTrainLoop', 'ParallelExplorationLoop']
