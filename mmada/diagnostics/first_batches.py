"""A config's model with its objectives found, and its first batches."""

from __future__ import annotations

import contextlib
import copy
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner

from mmada.engine.loops import search_configs
from mmada.engine.mmengine_adapters import initialize_weights
from mmada.engine.probe import probe_objectives
from mmada.engine.replicas.segment_loader import SegmentLoader
from mmada.models import LossWeightWrapper, weigh_losses
from mmada.models.objectives import ObjectiveSpec


class FirstBatches(NamedTuple):
    """What a training would begin with.

    Attributes:
        model: The weighted model, its objectives bound.
        optim_wrapper: Knows which objectives reach each parameter.
        loader: The batches, as its segment 0.
    """

    model: LossWeightWrapper
    optim_wrapper: OptimWrapper
    loader: SegmentLoader


@contextlib.contextmanager
def first_batches(
    cfg: Config,
    checkpoint: str | None,
    num_batches: int,
    optim_wrapper: dict[str, Any],
) -> Iterator[FirstBatches]:
    """Build what a training would begin with, and leave nothing behind.

    What the config would write goes to a temporary directory, and what it
    would print to the standard error.

    Args:
        cfg: Of a training, with or without a hook or a search of mmada;
            changed in place.
        checkpoint: What the model starts from; None for what the config
            says.
        num_batches: How many batches.
        optim_wrapper: Config of the optimizer wrapper.

    Raises:
        ValueError: If the config names objectives twice.
        ObjectiveError: If an objective has no loss in any batch.
    """
    with (
        contextlib.redirect_stdout(sys.stderr),
        tempfile.TemporaryDirectory() as work_dir,
    ):
        objectives = _objectives_of(cfg)
        runner = _build_runner(cfg, checkpoint, work_dir)
        model = weigh_losses(runner.model, objectives)
        built = runner.build_optim_wrapper(copy.deepcopy(optim_wrapper))
        loader = SegmentLoader(
            dict(runner.cfg.train_dataloader), num_batches, runner.seed
        )
        probe_objectives(runner.model, built, loader.segment(0))
        yield FirstBatches(model, built, loader)


def read_training(config: str | Path) -> Config:
    """Read the config file of a training.

    Raises:
        ValueError: If something is missing.
    """
    cfg = Config.fromfile(config)
    for name in ('model', 'train_dataloader', 'optim_wrapper'):
        if cfg.get(name) is None:
            raise ValueError(
                f'{config} should be the config of a training. Found no '
                f'`{name}`.'
            )
    return cfg


def _objectives_of(cfg: Config) -> ObjectiveSpec | None:
    """Return the objectives that a search or a hook of a config names."""
    named = [
        *search_configs(cfg.get('train_cfg') or {}),
        *(cfg.get('custom_hooks') or []),
    ]
    for entry in named:
        for place in (entry, entry.get('target') or {}):
            if place.get('objectives') is not None:
                return place['objectives']
    return None


def _build_runner(
    cfg: Config, checkpoint: str | None, work_dir: str
) -> Runner:
    """Build a runner that knows the model and leaves nothing behind."""
    cfg.merge_from_dict(dict(work_dir=work_dir, resume=False))
    cfg.update(
        launcher='none',
        log_level='ERROR',
        custom_hooks=[],
        visualizer=None,
        # MMEngine keeps loggers and visualizers by this name, with the second
        # in it: two dry runs in one second would share a directory.
        experiment_name=Path(work_dir).name,
    )
    if checkpoint is not None:
        cfg.load_from = checkpoint
    runner = Runner.from_cfg(cfg)
    initialize_weights(runner)
    runner.load_or_resume()
    # What some models read of the training's progress, as YOLOX does.
    runner.message_hub.update_info_dict(dict(epoch=0, iter=0))
    return runner
