"""Makes an epoch depend on its number, not on what ran before it."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from mmada.utils.seeding import derive_seed, seed_all


@HOOKS.register_module()
class EpochSeedHook(Hook):
    """Seeds all generators at the start of each epoch.

    MMEngine's checkpoints hold no generator states, so augmentation and
    sampling of a resumed run differ from an uninterrupted one. With this
    hook a run resumed at the end of an epoch goes on to the same bits on the
    CPU (dataloaders without persistent workers).
    """

    priority = 'VERY_HIGH'
    in_replicas = 'silent'  # segments have their own seeds

    def before_train_epoch(self, runner: Any) -> None:
        """Seed from the run's seed, the epoch and the rank."""
        seed_all(derive_seed(runner.seed, 'epoch', runner.epoch, runner.rank))
