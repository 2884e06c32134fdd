"""Runs of configs/paper, built without their data."""

from __future__ import annotations

import functools
import json
from pathlib import Path

from mmengine.config import Config, ConfigDict
from mmengine.registry import DATASETS, MODELS
from mmengine.runner import Runner
from torch.utils.data import Dataset

PAPER = Path(__file__).resolve().parents[2] / 'configs/paper'
NAMES = sorted(
    str(path.relative_to(PAPER).with_suffix(''))
    for path in PAPER.rglob('*.py')
)
SEARCHES = [name for name in NAMES if '-search_' in name]
TRAININGS = [name for name in NAMES if '-search_' not in name]
GPUS = 8
SIZES = dict(coco=118287, ade20k=20210)
HELD_OUT = dict(coco=10000, ade20k=2000)


@DATASETS.register_module()
class ManyImages(Dataset):
    """As many images as a data set has, none of which can be had."""

    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size

    def get_data_info(self, index):
        """Returns what a batch sampler groups by."""
        return dict(width=4, height=3)


@functools.cache
def read(name):
    """Returns a config; not to be changed."""
    return Config.fromfile(PAPER / f'{name}.py')


def parts_of(name):
    """Returns method, schedule and data of a config's name."""
    _, _, method, schedule, data = Path(name).name.split('_')
    return method, schedule.removeprefix('8xb2-'), data


def num_images(name):
    """Returns how many images the config's name says are trained on."""
    method, _, data = parts_of(name)
    place = data.removesuffix('-proxy')
    proxy = data.endswith('-proxy') or method.endswith('-search')
    return SIZES[place] - (HELD_OUT[place] if proxy else 0)


@functools.lru_cache(maxsize=1)
def _model(content):
    return MODELS.build(ConfigDict(json.loads(content)))


def model_of(name):
    """Builds a config's model, or returns the one that was built last."""
    return _model(json.dumps(read(name).model))


def build(name, work_dir):
    """Returns a runner with loop, optimizer and schedules.

    One process with the batches of all GPUs stands for eight.
    """
    cfg = Config(read(name)._cfg_dict.to_dict())
    cfg.train_dataloader.dataset = dict(
        type='ManyImages', size=num_images(name)
    )
    if name in SEARCHES:
        cfg.train_cfg.ranks_per_replica = 1
        # The images are not there, so neither is their truth.
        cfg.train_cfg.reward_evaluator = dict(
            type='DumpResults', out_file_path='results.pkl'
        )
        held_out = Path(work_dir, 'held_out.txt')
        held_out.write_text('1\n')
        cfg.train_cfg.reward_dataloader.dataset.ids_file = str(held_out)
    else:
        cfg.train_dataloader.batch_size *= GPUS
    runner = Runner(
        model_of(name),
        str(work_dir),
        train_dataloader=cfg.train_dataloader,
        train_cfg=cfg.train_cfg,
        optim_wrapper=cfg.optim_wrapper,
        param_scheduler=cfg.param_scheduler,
        default_hooks=cfg.default_hooks,
        custom_hooks=cfg.get('custom_hooks'),
        default_scope='mmdet',
        randomness=cfg.randomness,
        log_level='ERROR',
        experiment_name=f'paper_{name}',
    )
    runner._train_loop = runner.build_train_loop(cfg.train_cfg)
    runner.optim_wrapper = runner.build_optim_wrapper(cfg.optim_wrapper)
    runner.param_schedulers = runner.build_param_scheduler(cfg.param_scheduler)
    return runner
