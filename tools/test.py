"""Tests a checkpoint: metrics, and on demand predictions and pictures."""

from __future__ import annotations

import argparse

from common import (
    add_common_arguments,
    build_runner,
    check_checkpoint,
    load_config,
)
from mmdet.evaluation import DumpDetResults
from mmengine.config import Config


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='test config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument(
        '--out', help='write the predictions to this file, .pkl or .pickle'
    )
    parser.add_argument(
        '--show-dir',
        help='write painted images to this folder, below the folder of this '
        'test in the work directory',
    )
    add_common_arguments(parser)
    args = parser.parse_args()
    if args.out and not args.out.endswith(('.pkl', '.pickle')):
        parser.error(f'--out should end in .pkl or .pickle. Found {args.out}.')
    return args


def draw_results(cfg: Config, folder: str) -> None:
    """Switch on the config's visualization hook."""
    hook = cfg.get('default_hooks', {}).get('visualization')
    if hook is None:
        raise SystemExit(
            '--show-dir: the config has no `default_hooks.visualization`; '
            "add dict(type='DetVisualizationHook')."
        )
    hook.update(draw=True, test_out_dir=folder)


def main() -> None:
    args = parse_args()
    cfg = load_config(args)
    check_checkpoint(args.checkpoint)
    cfg.load_from = args.checkpoint
    if args.show_dir:
        draw_results(cfg, args.show_dir)
    runner = build_runner(cfg)
    if args.out:
        runner.test_evaluator.metrics.append(
            DumpDetResults(out_file_path=args.out)
        )
    runner.test()


if __name__ == '__main__':
    main()
