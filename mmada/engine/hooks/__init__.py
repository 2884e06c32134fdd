"""Hooks of an ordinary training."""

from .epoch_seed_hook import EpochSeedHook
from .loss_weighting_hook import LossWeightingHook
from .policy_weighting_hook import PolicyWeightingHook

__all__ = ['EpochSeedHook', 'LossWeightingHook', 'PolicyWeightingHook']
