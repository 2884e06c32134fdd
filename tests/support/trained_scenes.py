"""A small cascade that was trained for a minute, for what needs one."""

from __future__ import annotations

import os
from pathlib import Path
from unittest import mock

import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmada.datasets import SceneOptions, make_scenes

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
ITERATIONS = 25


def read_config(name: str, folder: Path) -> Config:
    """Reads a config for the scenes of a folder."""
    with mock.patch.dict(os.environ, MMADA_SCENES=f'{folder}/'):
        return Config.fromfile(CONFIGS / name)


def train_on_rewards(folder: Path) -> None:
    """Makes scenes, two of each split, and learns those of the reward.

    Args:
        folder: Gets the scenes and `checkpoint.pth`.
    """
    num = dict.fromkeys(('train', 'reward', 'test'), 2)
    make_scenes(folder, SceneOptions((64, 96), num, 0, min_radius=6.0))
    cfg = read_config('baselines/cascade_panoptic_tiny_scenes_ones.py', folder)
    rewards = dict(
        cfg.reward_dataloader.dataset,
        test_mode=False,
        pipeline=cfg.train_pipeline,
    )
    cfg.merge_from_dict(
        dict(work_dir=f'{folder}/work', log_level='ERROR', custom_hooks=[])
    )
    cfg.model.init_cfg = None
    cfg.train_dataloader = dict(
        cfg.train_dataloader, batch_size=2, dataset=rewards
    )
    cfg.train_cfg = dict(type='IterBasedTrainLoop', max_iters=ITERATIONS)
    cfg.val_cfg = cfg.val_dataloader = cfg.val_evaluator = None
    cfg.param_scheduler = []
    cfg.default_hooks.checkpoint = dict(type='CheckpointHook', interval=-1)
    torch.set_num_threads(1)
    runner = Runner.from_cfg(cfg)
    runner.train()
    torch.save(
        dict(state_dict=runner.model.state_dict()), folder / 'checkpoint.pth'
    )
