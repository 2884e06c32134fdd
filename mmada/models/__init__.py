"""The wrapped detector, its objectives, and who owns its parameters."""

from mmada.models.meters import ObjectiveMeter

from .auto_seg_loss import AutoSegLoss
from .iteration_losses import iteration_losses
from .loss_sum import LossSum
from .loss_weight_wrapper import LossWeightWrapper
from .map_panoptic_fpn_head import MapPanopticFPNHead
from .objectives import ObjectiveError, Objectives, build_objectives
from .ownership import find_owners

__all__ = [
    'AutoSegLoss',
    'LossSum',
    'LossWeightWrapper',
    'MapPanopticFPNHead',
    'ObjectiveError',
    'ObjectiveMeter',
    'Objectives',
    'build_objectives',
    'find_owners',
    'iteration_losses',
]
