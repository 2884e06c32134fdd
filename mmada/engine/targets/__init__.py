"""What an action is applied to: one file for each kind of action."""

from mmada.engine.exploration.targets import Target

from .loss_weights import LossWeights
from .surrogate_points import SurrogatePoints

__all__ = ['LossWeights', 'SurrogatePoints', 'Target']
