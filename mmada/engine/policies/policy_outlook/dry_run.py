"""The weights that a training with a config would start with."""

from __future__ import annotations

import contextlib
import copy
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import Runner
from torch import Tensor

from mmada.controllers import PolicyEnsemble
from mmada.diagnostics.policy import modes
from mmada.engine.policies.policy_outlook.warnings import (
    ensemble_warnings,
    name_warnings,
    weight_warnings,
)
from mmada.engine.probe import (
    MAX_BATCHES,
    probe_objectives,
    raw_losses,
    unwrap,
)
from mmada.engine.replicas.segment_loader import SegmentLoader
from mmada.models import ObjectiveMeter
from mmada.utils.seeding import preserve_rng


def dry_run(
    ensemble: PolicyEnsemble,
    config: str | Path,
    checkpoint: str | None,
    num_epochs: int,
    disagreement: float,
) -> dict[str, Any]:
    """Measures a model's losses and asks the policy for its weights.

    Args:
        ensemble: What was learned.
        config: Config file of a training.
        checkpoint: What the model starts from; None for what the config
            says.
        num_epochs: E.
        disagreement: See :func:`ensemble_warnings`.

    Returns:
        A JSON object; without weights where the policy does not fit.
    """
    names, losses = probe_losses(config, checkpoint)
    found = dict(
        config=str(config),
        checkpoint=checkpoint,
        batches=MAX_BATCHES,
        objectives=names,
        losses=losses.tolist(),
    )
    differences = name_warnings(ensemble.objectives, names)
    if differences:
        return dict(found, modes=None, warnings=differences)
    return dict(
        found,
        modes=modes(ensemble, losses, num_epochs),
        warnings=[
            *weight_warnings(ensemble, losses),
            *ensemble_warnings(ensemble, losses, disagreement),
        ],
    )


def probe_losses(
    config: str | Path, checkpoint: str | None = None
) -> tuple[list[str], Tensor]:
    """Measures the mean losses of a config's first batches, no step done.

    What the config would write goes to a temporary directory, and what it
    would print to the standard error.

    Args:
        config: Config file of a training.
        checkpoint: What the model starts from; None for what the config
            says.

    Returns:
        Names of the objectives, and their raw losses, shape (n,).

    Raises:
        TypeError: If the model is no LossWeightWrapper.
        ValueError: If the config is not that of a training.
        ObjectiveError: If an objective has no loss in any batch.
    """
    with (
        contextlib.redirect_stdout(sys.stderr),
        tempfile.TemporaryDirectory() as work_dir,
    ):
        runner = _runner(_read(config), checkpoint, work_dir)
        model = unwrap(runner.model)
        optim_wrapper = runner.build_optim_wrapper(
            copy.deepcopy(runner.cfg.optim_wrapper)
        )
        loader = SegmentLoader(
            dict(runner.cfg.train_dataloader), MAX_BATCHES, runner.seed
        )
        probe_objectives(runner.model, optim_wrapper, loader.segment(0))
        meter = ObjectiveMeter(model.objectives)
        with torch.no_grad(), preserve_rng():
            for losses in _losses(model, optim_wrapper, loader):
                meter.update(losses)
        return list(model.objectives.names), meter.mean()


def _losses(
    model: Any, optim_wrapper: Any, loader: SegmentLoader
) -> Iterator[dict[str, Tensor]]:
    for batch in loader.segment(0):
        yield raw_losses(model, optim_wrapper, batch)


def _read(config: str | Path) -> Config:
    cfg = Config.fromfile(config)
    for name in ('model', 'train_dataloader', 'optim_wrapper'):
        if cfg.get(name) is None:
            raise ValueError(
                f'{config} has no `{name}`; expected the config of a training.'
            )
    return cfg


def _runner(cfg: Config, checkpoint: str | None, work_dir: str) -> Runner:
    """Builds a runner that knows the model and leaves nothing behind."""
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
    runner._init_model_weights()
    runner.load_or_resume()
    return runner
