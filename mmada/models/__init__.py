"""The wrapped detector, its objectives, and who owns its parameters."""

from .loss_weight_wrapper import LossWeightWrapper
from .objective_meter import ObjectiveMeter
from .objectives import ObjectiveError, Objectives, build_objectives
from .ownership import find_owners

__all__ = [
    'LossWeightWrapper',
    'ObjectiveError',
    'ObjectiveMeter',
    'Objectives',
    'build_objectives',
    'find_owners',
]
