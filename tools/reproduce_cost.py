"""What a config of configs/paper runs, counted without any data."""

from __future__ import annotations

import functools
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from mmengine.registry import TASK_UTILS, init_default_scope

import mmada  # noqa: F401  (registers the controllers)
from mmada.controllers import Controller
from mmada.controllers.plan import Rest
from mmada.models.objectives import build_objectives

GPUS = 8
IMAGES = {
    'annotations/panoptic_train2017.json': 118287,
    'annotations/panoptic_val2017.json': 5000,
    'ade20k_panoptic_train.json': 20210,
    'ade20k_panoptic_val.json': 2000,
}
LISTED = {
    'panoptic_train2017_proxy_reward.txt': 10000,
    'ade20k_panoptic_train_proxy_reward.txt': 2000,
}
"""Images of the proxy splits' lists."""


class Work(NamedTuple):
    """What is run, over all GPUs.

    Attributes:
        iterations: Training iterations of 16 images.
        images: Images that are evaluated.
    """

    iterations: int
    images: int

    def plus(self, other: Work) -> Work:
        """Returns both together."""
        return Work(
            self.iterations + other.iterations, self.images + other.images
        )

    def gpu_hours(self, per_iteration: float, per_image: float) -> float:
        """Returns the GPU hours at so many seconds each.

        Args:
            per_iteration: Seconds of an iteration, which takes all GPUs.
            per_image: Seconds of an image, which takes one.
        """
        busy = GPUS * self.iterations * per_iteration + self.images * per_image
        return busy / 3600


@functools.cache
def read_config(path: Path) -> Config:
    """Reads a config once; not to be changed."""
    return Config.fromfile(path)


def num_images(dataset: dict[str, Any]) -> int:
    """Returns the images of a data set before `filter_cfg` drops some."""
    if 'ids_file' not in dataset:
        return IMAGES[dataset['ann_file']]
    listed = LISTED[Path(dataset['ids_file']).name]
    whole = num_images(dataset['dataset'])
    return listed if dataset['keep'] == 'listed' else whole - listed


def work_of(config: dict[str, Any]) -> Work:
    """Returns what a training or a search of a config runs."""
    loop = config['train_cfg']
    return _search(config) if 'controller' in loop else _training(config)


def test_of(config: dict[str, Any]) -> Work:
    """Returns what one evaluation on the test data runs."""
    return Work(0, num_images(config['test_dataloader']['dataset']))


def _training(config: dict[str, Any]) -> Work:
    loop, loader = config['train_cfg'], config['train_dataloader']
    of_a_gpu = ceil(num_images(loader['dataset']) / GPUS)
    epoch = ceil(of_a_gpu / loader['batch_size'])
    # A pseudo epoch measures l^1 of another model or data set.
    probes = sum(
        hook.get('initial_losses') == 'probe'
        for hook in config.get('custom_hooks', [])
    )
    evaluated = num_images(config['val_dataloader']['dataset'])
    return Work(
        (loop['max_epochs'] + probes) * epoch,
        loop['max_epochs'] // loop['val_interval'] * evaluated,
    )


def _search(config: dict[str, Any]) -> Work:
    loop, loader = config['train_cfg'], config['train_dataloader']
    epoch = ceil(num_images(loader['dataset']) / loader['batch_size'])
    segment = loop.get('iters_per_round') or epoch
    objectives = build_objectives(config['model']['objectives'])
    assert objectives is not None
    segments = 1 + _segments(loop, len(objectives))  # and the pseudo epoch
    evaluated = num_images(loop['reward_dataloader']['dataset'])
    return Work(segments * segment, segments * evaluated)


def _segments(loop: dict[str, Any], num_objectives: int) -> int:
    """Plays a search on made-up metrics and counts what it would train."""
    init_default_scope('mmdet')
    controller: Controller = TASK_UTILS.build(
        loop['controller'],
        default_args=dict(
            num_objectives=num_objectives,
            num_rounds=loop['num_rounds'],
            seed=0,
        ),
    )
    losses = torch.ones(num_objectives, dtype=torch.float64)
    metrics = torch.arange(1.0, controller.num_replicas + 1)
    segments = 0
    for _ in range(loop['num_rounds']):
        if controller.finished:
            break
        controller.propose(losses)
        segments += sum(not isinstance(e, Rest) for e in controller.plan())
        controller.observe(metrics.double(), 0.0)
    return segments
