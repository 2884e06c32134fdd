"""Tests a checkpoint: metrics, and on demand predictions and pictures."""

from __future__ import annotations

import argparse

from mmdet.evaluation import DumpDetResults
from mmengine.config import Config

from mmada.commands.common import build_runner, load_config, refusals


def draw_results(cfg: Config, folder: str) -> None:
    """Switch on the config's visualization hook."""
    hook = cfg.get('default_hooks', {}).get('visualization')
    if hook is None:
        raise SystemExit(
            '--show-dir: the config has no `default_hooks.visualization`; '
            "add dict(type='DetVisualizationHook')."
        )
    hook.update(draw=True, test_out_dir=folder)


def run(args: argparse.Namespace) -> int:
    """Test."""
    cfg = load_config(args)
    cfg.load_from = args.checkpoint
    if args.show_dir:
        draw_results(cfg, args.show_dir)
    with refusals(args.prog):
        runner = build_runner(cfg)
        if args.out:
            runner.test_evaluator.metrics.append(
                DumpDetResults(out_file_path=args.out)
            )
        runner.test()
    return 0
