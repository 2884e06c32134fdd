"""Whether the rewards of an exploration can be believed."""

from .census import Census
from .check import CheckpointReport, check_checkpoints
from .findings import Finding
from .loading import LoadReport
from .source import RewardSource, find_reward

__all__ = [
    'Census',
    'CheckpointReport',
    'Finding',
    'LoadReport',
    'RewardSource',
    'check_checkpoints',
    'find_reward',
]
