"""Trains, explores, or explores and then trains, as the config says."""

from __future__ import annotations

import argparse

from common import (
    add_common_arguments,
    build_runner,
    check_checkpoint,
    load_config,
)
from mmengine.config import Config

from mmada.engine import find_latest_checkpoint


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='train config file')
    parser.add_argument(
        '--amp', action='store_true', help='automatic mixed precision'
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate by the batch size, as `auto_scale_lr` '
        'of the config says',
    )
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        help='go on from this checkpoint, or from the latest of the work '
        'directory when none is named',
    )
    add_common_arguments(parser)
    return parser.parse_args()


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
        check_checkpoint(None if args.resume == 'auto' else args.resume)
        cfg.load_from = (
            find_latest_checkpoint(cfg.work_dir)
            if args.resume == 'auto'
            else args.resume
        )


def main() -> None:
    args = parse_args()
    cfg = load_config(args)
    apply_training_options(cfg, args)
    build_runner(cfg).train()


if __name__ == '__main__':
    main()
