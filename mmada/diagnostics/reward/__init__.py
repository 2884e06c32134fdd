"""The library of ``tools/check_reward.py``: can rewards be believed?"""

from mmada.diagnostics.reward.check import (
    CheckpointReport,
    RewardSource,
    check_checkpoints,
    find_reward,
)
from mmada.diagnostics.reward.class_amounts import ClassAmounts
from mmada.diagnostics.reward.loading import LoadReport
from mmada.diagnostics.reward.rules import Finding

__all__ = [
    'ClassAmounts',
    'CheckpointReport',
    'Finding',
    'LoadReport',
    'RewardSource',
    'check_checkpoints',
    'find_reward',
]
