"""Controllers: what proposes actions to a population and learns from it.

Pure torch: nothing here knows of a detector, a config or a training loop. A
method of your own extends :class:`ScheduleSearch`, :class:`StaticSearch`,
:class:`WeightController` or :class:`ActionController`.
"""

from mmada.controllers.ada_segment import (
    PRESETS,
    AdaSegment,
    preset_options,
)
from mmada.controllers.am_lfs import AmLfs
from mmada.controllers.auto_seg_loss import AutoSegLossSearch
from mmada.controllers.base import (
    ActionController,
    Controller,
    Plan,
    Rest,
    RoundResult,
    Start,
    WeightController,
)
from mmada.controllers.bohb import BohbSearch
from mmada.controllers.grid_search import GridSearch
from mmada.controllers.population_training import PopulationTraining
from mmada.controllers.random_search import RandomSearch, RandomWeights
from mmada.controllers.rewards import select_best
from mmada.controllers.shuffled_rewards import ShuffledRewards
from mmada.controllers.slope_search import SlopeSearch
from mmada.controllers.static_search import StaticSearch
from mmada.controllers.weight_search import (
    REPLAY,
    ScheduleSearch,
    log_normal,
)
from mmada.policies.ensemble import PolicyEnsemble, ensemble_coefficients
from mmada.policies.policy import (
    ConstantPolicy,
    GroupPolicy,
    LossRatioPolicy,
    Policy,
    build_policy,
)

__all__ = [
    'PRESETS',
    'REPLAY',
    'ActionController',
    'AdaSegment',
    'AmLfs',
    'AutoSegLossSearch',
    'BohbSearch',
    'ConstantPolicy',
    'Controller',
    'GridSearch',
    'GroupPolicy',
    'LossRatioPolicy',
    'Plan',
    'Policy',
    'PolicyEnsemble',
    'PopulationTraining',
    'RandomSearch',
    'RandomWeights',
    'Rest',
    'RoundResult',
    'ScheduleSearch',
    'ShuffledRewards',
    'SlopeSearch',
    'Start',
    'StaticSearch',
    'WeightController',
    'build_policy',
    'ensemble_coefficients',
    'log_normal',
    'preset_options',
    'select_best',
]
