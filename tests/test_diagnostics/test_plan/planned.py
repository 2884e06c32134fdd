"""A search that is planned and then run: a toy of a quarter of a megabyte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import MODELS
from mmengine.runner import Runner
from torch import nn

from tests.support import processes, toy


@MODELS.register_module()
class PlannedDetector(toy.ToyDetector):
    """Wide, so that what is beside the numbers in a file is little."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Linear(4, 256),
            nn.Tanh(),
            nn.Linear(256, 256),
            nn.Tanh(),
            nn.Linear(256, 8),
        )

    def train_step(self, data: Any, optim_wrapper: Any) -> Any:
        """Counts the steps of all of these."""
        PlannedDetector.steps += 1
        return super().train_step(data, optim_wrapper)


def config(**options: Any) -> Config:
    """Returns a config of a search; options are those of its loop."""
    return Config(
        dict(
            custom_imports=dict(imports=[__name__]),
            model=dict(toy.MODEL, detector=dict(type='PlannedDetector')),
            train_dataloader=toy.dataloader(),
            optim_wrapper=toy.OPTIM_WRAPPER,
            train_cfg=toy.exploration(**options),
            default_scope='mmengine',
            randomness=dict(seed=7),
        )
    )


def then_train(cfg: Config) -> Config:
    """Lets a training of three epochs follow, validated twice."""
    training = dict(
        type='EpochBasedTrainLoop', max_epochs=3, val_begin=2, val_interval=2
    )
    search = cfg.pop('train_cfg')
    cfg.update(
        train_cfg=dict(
            type='ExploreThenTrainLoop', exploration=search, training=training
        ),
        val_dataloader=toy.dataloader(offset=2, shuffle=False, size=6),
        val_evaluator=dict(type='ToyMetric'),
        val_cfg=dict(type='ValLoop'),
        custom_hooks=[dict(type='PolicyWeightingHook')],
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1)),
    )
    return cfg


def run(cfg: Config, work_dir: Path) -> tuple[int, int]:
    """Runs it.

    Returns:
        Forward passes with losses, and images that were predicted.
    """
    cfg.update(
        work_dir=str(work_dir),
        log_level='ERROR',
        experiment_name=work_dir.parent.name,
    )
    runner = Runner.from_cfg(cfg)
    counts = dict(loss=0, predict=0)

    def count(model: Any, args: Any, kwargs: Any, output: Any) -> None:
        predicts = kwargs['mode'] == 'predict'
        counts[kwargs['mode']] += len(output) if predicts else 1

    runner.model.register_forward_hook(count, with_kwargs=True)
    runner.train()
    return counts['loss'], counts['predict']


def stored(work_dir: Path) -> int:
    """Returns the bytes of states and checkpoints."""
    files = [*work_dir.rglob('*.pt'), *work_dir.rglob('*.pth')]
    return sum(path.stat().st_size for path in files)


def search_on_ranks(work_dir: Path, **options: Any) -> None:
    """Searches on the ranks that a test starts."""
    cfg = config(**options)
    cfg.update(work_dir=str(work_dir), log_level='ERROR', **processes.join())
    Runner.from_cfg(cfg).train()
