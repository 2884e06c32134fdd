"""Trains, explores, or explores and then trains, as the config says."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import is_main_process

from mmada.commands.common import build_runner, load_config, refusals
from mmada.engine import find_latest_checkpoint
from mmada.utils.run_files import HISTORY_FILE


def apply_training_options(cfg: Config, args: argparse.Namespace) -> None:
    """Apply --amp, --auto-scale-lr and --resume to the config."""
    if args.amp:
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
    if args.auto_scale_lr:
        if 'base_batch_size' not in cfg.get('auto_scale_lr', {}):
            raise SystemExit(
                f'--auto-scale-lr: {args.config} has no '
                '`auto_scale_lr.base_batch_size`.'
            )
        cfg.auto_scale_lr.enable = True
    if args.resume is not None:
        cfg.resume = True
        cfg.load_from = (
            find_latest_checkpoint(cfg.work_dir)
            if args.resume == 'auto'
            else args.resume
        )


def note_fresh_start(cfg: Config, prog: str) -> None:
    """Say, on one rank, that a run to be resumed has nothing to go on from."""
    search = any(Path(cfg.work_dir).glob(f'*/{HISTORY_FILE}'))
    if cfg.load_from is None and not search and is_main_process():
        print(
            f'{prog}: nothing to resume in {cfg.work_dir}, so the run starts '
            'from the beginning.',
            file=sys.stderr,
        )


def run(args: argparse.Namespace) -> int:
    """Train."""
    cfg = load_config(args)
    apply_training_options(cfg, args)
    with refusals(args.prog):
        runner = build_runner(cfg)
        if args.resume == 'auto':
            note_fresh_start(cfg, args.prog)
        runner.train()
    return 0
