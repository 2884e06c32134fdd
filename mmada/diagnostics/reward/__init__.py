"""Whether the rewards of an exploration can be believed."""

from mmada.diagnostics.reward.check import (
    CheckpointReport,
    RewardSource,
    check_checkpoints,
    find_reward,
)
from mmada.diagnostics.reward.class_amounts import Census
from mmada.diagnostics.reward.loading import LoadReport
from mmada.diagnostics.reward.rules import Finding

__all__ = [
    'Census',
    'CheckpointReport',
    'Finding',
    'LoadReport',
    'RewardSource',
    'check_checkpoints',
    'find_reward',
]
