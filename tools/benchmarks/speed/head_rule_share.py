"""What share of a stock detector's iteration the head rule takes.

Mode `grad` multiplies the gradient of each parameter of a head in a hook of
its own. The hooks are timed inside of iterations on random images, with
weights of which all of them have something to do.

OMP_NUM_THREADS=1 python tools/benchmarks/speed/head_rule_share.py
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any
from unittest import mock

from measure import busy, parser, show_ratio, show_surroundings
from mmdet.testing import demo_mm_inputs
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.hub import get_config
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from torch import Tensor

from mmada.commands.command_line import ends_with_reader
from mmada.engine.optimizers import HeadRuleOptimWrapperConstructor
from mmada.engine.optimizers.head_rule import GradientHeadRule
from mmada.engine.probe import probe_objectives
from mmada.models import LossWeightWrapper
from mmada.utils.seeding import seed_all

UNEVEN = (0.5, 1.2, 1.5, 0.8)
CLASSES = 53  # also in range for the labels of stuff
Hook = Callable[[Tensor], Tensor | None]


class TimedHooks:
    """Counts the calls of the head rule's hooks and what they take.

    Attributes:
        calls: Gradients that were multiplied.
        seconds: What all of them took.
    """

    def __init__(self) -> None:
        self.calls = 0
        self.seconds = 0.0

    def scaler(self, rule: GradientHeadRule, index: int) -> Hook:
        """Return a hook of the rule, timed."""
        scale = _SCALER(rule, index)

        def run(gradient: Tensor) -> Tensor | None:
            began = busy()
            found = scale(gradient)
            self.seconds += busy() - began
            self.calls += found is not None
            return found

        return run

    def reset(self) -> None:
        """Begin an iteration."""
        self.calls, self.seconds = 0, 0.0


_SCALER = GradientHeadRule._scaler


def build(name: str, batch: dict[str, Any]) -> tuple[BaseModel, OptimWrapper]:
    """Return a weighted stock detector and its optimizer.

    Args:
        name: Config of a panoptic FPN, as of MMEngine's hub.
        batch: Finds which parameters belong to which losses.
    """
    config: Config = get_config(name)
    init_default_scope(config.default_scope)
    config.model.backbone.init_cfg = None
    model = LossWeightWrapper(config.model, 'panoptic_fpn')
    model = model.to(get_device())
    constructor = HeadRuleOptimWrapperConstructor(
        dict(config.optim_wrapper, head_rule=dict(mode='grad'))
    )
    optim_wrapper = constructor(model)
    probe_objectives(model, optim_wrapper, [batch])
    model.objective_weights.set(UNEVEN)
    return model, optim_wrapper


@ends_with_reader()
def main(argv: list[str] | None = None) -> None:
    """Print the share."""
    options = parser(__doc__, repeats=5)
    options.add_argument(
        '--config',
        default='mmdet::panoptic_fpn/panoptic-fpn_r50_fpn_1x_coco.py',
    )
    options.add_argument('--batch-size', type=int, default=2)
    options.add_argument('--size', type=int, nargs=2, default=(800, 1344))
    args = options.parse_args(argv)
    if args.quick:
        args.repeats, args.size, args.batch_size = 1, (96, 128), 1
    height, width = args.size
    show_surroundings(
        f'An iteration of {args.batch_size} images of {width}x{height} pixels'
    )
    hooks = TimedHooks()
    with mock.patch.object(
        GradientHeadRule,
        '_scaler',
        lambda rule, index: hooks.scaler(rule, index),
    ):
        whole, shares = measure(hooks, args)
    print(
        f'{hooks.calls} gradients multiplied, {1e3 * min(shares):.1f} ms of '
        f'{min(whole):.2f} s at best'
    )
    show_ratio('head rule / iteration', shares, whole, 'goal: at most 0.005')


def measure(
    hooks: TimedHooks, args: argparse.Namespace
) -> tuple[list[float], list[float]]:
    """Return seconds of each iteration, and of the hooks in it."""
    seed_all(0)
    batch = demo_mm_inputs(
        args.batch_size,
        (3, *args.size),
        num_items=[7] * args.batch_size,
        num_classes=CLASSES,
        with_mask=True,
        with_semantic=True,
    )
    whole, shares = [], []
    model, optim_wrapper = build(args.config, batch)
    for i in range(args.repeats + 1):
        hooks.reset()
        began = busy()
        model.train_step(batch, optim_wrapper)
        if i:  # the first one allocates
            whole.append(busy() - began)
            shares.append(hooks.seconds)
    return whole, shares


if __name__ == '__main__':
    main()
