"""What an action is applied to: one file for each kind of action."""

from .base import Target
from .loss_weights import LossWeights

__all__ = ['LossWeights', 'Target']
