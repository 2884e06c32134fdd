"""Tests a checkpoint: metrics, and on demand predictions and pictures."""

from __future__ import annotations

import argparse
import re
from typing import Any

from mmdet.evaluation import DumpDetResults
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from mmada.commands.common import build_runner, load_config, refusals


class FittingCheckpointHook(Hook):
    """Refuse a checkpoint of another model.

    MMEngine prints what is missing, and tests the model as it was built.
    """

    def after_load_checkpoint(
        self, runner: Any, checkpoint: dict[str, Any]
    ) -> None:
        """Compare the names of its values with those of the model.

        Raises:
            ValueError: If they have none in common.
        """
        model = runner.model
        own = model.module if is_model_wrapper(model) else model
        names = {
            re.sub(r'^module\.', '', name)
            for name in checkpoint.get('state_dict', checkpoint)
        }
        if names.isdisjoint(own.state_dict()):
            raise ValueError(
                '`checkpoint` should be of the model in the config. Found '
                f'{len(names)} values in it, such as '
                f'{min(names, default="none")!r}, none of which the model has.'
            )


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
        runner.register_hook(FittingCheckpointHook())
        runner.test()
    return 0
