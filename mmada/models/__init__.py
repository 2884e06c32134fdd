"""The wrapped detector, its objectives."""

from mmada.models.auto_seg_loss import AutoSegLoss
from mmada.models.loss_sum import LossSum
from mmada.models.loss_weight_wrapper import LossWeightWrapper
from mmada.models.map_panoptic_fpn_head import MapPanopticFPNHead
from mmada.models.meters import ObjectiveMeter, iteration_losses
from mmada.models.objectives import (
    ObjectiveError,
    Objectives,
    build_objectives,
)

__all__ = [
    'AutoSegLoss',
    'LossSum',
    'LossWeightWrapper',
    'MapPanopticFPNHead',
    'ObjectiveError',
    'ObjectiveMeter',
    'Objectives',
    'build_objectives',
    'iteration_losses',
]
