"""The weighted detector, its objectives, and losses."""

from mmada.models.auto_seg_loss import AutoSegLoss
from mmada.models.efficientnet_lite import (
    EfficientNetLite,
    load_efficientnet_lite,
)
from mmada.models.loss_sum import LossSum
from mmada.models.loss_weight_wrapper import (
    LossWeightWrapper,
    inner_model,
    reduce_losses,
    weigh_losses,
)
from mmada.models.map_panoptic_fpn_head import MapPanopticFPNHead
from mmada.models.meters import ObjectiveMeter, iteration_losses
from mmada.models.objective_weights import ObjectiveWeights
from mmada.models.objectives import (
    ObjectiveError,
    Objectives,
    build_objectives,
    is_loss,
)

__all__ = [
    'AutoSegLoss',
    'EfficientNetLite',
    'LossSum',
    'LossWeightWrapper',
    'MapPanopticFPNHead',
    'ObjectiveError',
    'ObjectiveMeter',
    'ObjectiveWeights',
    'Objectives',
    'build_objectives',
    'inner_model',
    'is_loss',
    'iteration_losses',
    'load_efficientnet_lite',
    'reduce_losses',
    'weigh_losses',
]
