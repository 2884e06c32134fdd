"""Controllers: what proposes actions to a population and learns from it.

Pure torch: nothing here knows of a detector, a config or a training loop.
"""

from mmada.controllers.ada_segment import AdaSegment
from mmada.controllers.auto_seg_loss_search import AutoSegLossSearch
from mmada.controllers.base import (
    ActionController,
    Controller,
    RoundResult,
    WeightController,
)
from mmada.controllers.ensemble import PolicyEnsemble, ensemble_coefficients
from mmada.controllers.plan import Plan, Rest, Start
from mmada.controllers.policies import (
    ConstantPolicy,
    LogWeightPolicy,
    LossRatioPolicy,
    Policy,
    build_policy,
)
from mmada.controllers.presets import PRESETS, preset_options
from mmada.controllers.rewards import select_best

__all__ = [
    'PRESETS',
    'ActionController',
    'AdaSegment',
    'AutoSegLossSearch',
    'ConstantPolicy',
    'Controller',
    'LogWeightPolicy',
    'LossRatioPolicy',
    'Plan',
    'Policy',
    'PolicyEnsemble',
    'Rest',
    'RoundResult',
    'Start',
    'WeightController',
    'build_policy',
    'ensemble_coefficients',
    'preset_options',
    'select_best',
]
