"""Trains, explores, or explores and then trains, as the config says."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import is_main_process

from mmada.commands.common import build_runner, load_config, refusals
from mmada.engine import find_latest_checkpoint
from mmada.engine.state.state_files import stored_steps
from mmada.utils.run_files import STATES_DIR, search_directories

AMP_DEVICES = ('cuda', 'npu', 'mlu', 'musa')
"""Where MMEngine's AmpOptimWrapper works, whatever its `dtype`."""


def apply_training_options(cfg: Config, args: argparse.Namespace) -> None:
    """Apply --amp, --auto-scale-lr and --resume to the config.

    Raises:
        ValueError: If one of them cannot be applied.
    """
    if args.amp:
        if get_device() not in AMP_DEVICES:
            raise ValueError(
                "`--amp` should be left out where MMEngine's AmpOptimWrapper "
                f'does not work; it needs a device of {", ".join(AMP_DEVICES)}'
                f'. Found {get_device()}.'
            )
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
    if args.auto_scale_lr:
        if 'base_batch_size' not in (cfg.get('auto_scale_lr') or {}):
            raise ValueError(
                '`--auto-scale-lr` should be left out, or the config have '
                '`auto_scale_lr.base_batch_size`. Found none in '
                f'{args.config}.'
            )
        cfg.auto_scale_lr.enable = True
    if args.resume == 'auto':
        latest = find_latest_checkpoint(cfg.work_dir)
        if latest is None and not has_search(cfg.work_dir):
            return  # a new run starts from its own `load_from`
        cfg.resume, cfg.load_from = True, latest
    elif args.resume is not None:
        cfg.resume, cfg.load_from = True, args.resume


def has_search(work_dir: str) -> bool:
    """Return whether a search has left states in a work directory."""
    return any(
        any(stored_steps(directory / STATES_DIR))
        for directory in search_directories(Path(work_dir))
    )


def note_fresh_start(cfg: Config, prog: str) -> None:
    """Say, on one rank, that a run to be resumed has nothing to go on from."""
    if not cfg.get('resume') and is_main_process():
        start = cfg.get('load_from') or 'the beginning'
        print(
            f'{prog}: nothing to resume in {cfg.work_dir}, so the run starts '
            f'from {start}.',
            file=sys.stderr,
        )


def run(args: argparse.Namespace) -> int:
    """Train."""
    cfg = load_config(args)
    with refusals(args.prog):
        apply_training_options(cfg, args)
        runner = build_runner(cfg)
        if args.resume == 'auto':
            note_fresh_start(cfg, args.prog)
        runner.train()
    return 0
