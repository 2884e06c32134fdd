"""The demo's tiny panoptic detector, with mmada and without."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from measure import ROOT
from mmengine.config import Config

from mmada.datasets import SceneOptions, make_scenes

CONFIG = ROOT / 'configs/ada/cascade_panoptic_tiny_scenes.py'
BATCH_SIZE = 4  # of the config
ONES = (1.0, 1.0, 1.0, 1.0)


class TinyProblem:
    """Scenes in a folder and configs on them.

    Models start from their own initial values, the same for all configs, and
    learn so slowly that all do the same work to the end.

    Args:
        folder: Gets the scenes and the work directories.
        iters: Batches of an epoch.
        reward: Images of an evaluation.
    """

    def __init__(self, folder: Path, iters: int, reward: int) -> None:
        self.folder = folder
        self.iters = iters
        num = dict(train=iters * BATCH_SIZE, reward=reward, test=1)
        make_scenes(
            folder / 'scenes', SceneOptions((64, 96), num, 0, min_radius=6.0)
        )

    def weighted(self, name: str, weights: tuple[float, ...] = ONES) -> Config:
        """Return the config of one epoch.

        Args:
            name: Name of the work directory.
            weights: Those of the four objectives.
        """
        with _environment(MMADA_SCENES=f'{self.folder / "scenes"}/'):
            config = Config.fromfile(CONFIG)
        config.model.init_cfg = None  # no pretrained state
        config.optim_wrapper.optimizer.lr = 1e-7
        config.default_hooks.checkpoint = None
        config.train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=1)
        weighting = dict(type='StaticWeighting', weights=weights)
        config.custom_hooks = [
            dict(type='LossWeightingHook', weighting=weighting)
        ]
        for key in ('test_dataloader', 'test_evaluator', 'test_cfg'):
            config.pop(key)
        config.log_level = 'ERROR'
        config.experiment_name = name
        config.work_dir = str(self.folder / name)
        return config

    def bare(self, name: str) -> Config:
        """Return the same config without anything of mmada in it."""
        config = self.weighted(name)
        config.model = config.model.detector
        config.optim_wrapper.pop('constructor')
        config.optim_wrapper.pop('head_rule')
        config.custom_hooks = []
        return config

    def exploring(
        self, name: str, rounds: int, replicas: int, **options: Any
    ) -> Config:
        """Return the config of an exploration alone.

        Args:
            name: Name of the work directory.
            rounds: Rounds T.
            replicas: Replicas m.
            **options: Further options of the loop.
        """
        config = self.weighted(name)
        config.train_cfg = dict(
            type='ParallelExplorationLoop',
            num_rounds=rounds,
            controller=dict(type='AdaSegment', num_replicas=replicas),
            reward_dataloader=config.reward_dataloader,
            reward_evaluator=config.reward_evaluator,
            **options,
        )
        config.custom_hooks = []
        for key in ('val_dataloader', 'val_evaluator', 'val_cfg'):
            config.pop(key)
        return config


@contextlib.contextmanager
def _environment(**variables: str) -> Iterator[None]:
    with mock.patch.dict(os.environ, variables):
        yield
