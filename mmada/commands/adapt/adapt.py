"""Writes a config that adds learned loss weights to a stock one."""

from __future__ import annotations

import argparse
import shlex

from mmengine.registry import DefaultScope

from mmada.commands.adapt.methods import METHODS
from mmada.commands.adapt.replaced_loss import with_replaced_loss
from mmada.commands.adapt.stock import read_stock
from mmada.commands.adapt.weighted_config import WeightedConfig
from mmada.commands.adapt.written_config import Adapted
from mmada.commands.common import one_line_errors, read_config
from mmada.utils.files import replace


def run(args: argparse.Namespace) -> int:
    """Write the config and print what was decided and what was not."""
    with one_line_errors(args.prog, KeyError):
        adapted = adapt(args)
        args.out.parent.mkdir(parents=True, exist_ok=True)
        replace(args.out, adapted.source)
        try:
            read_config(args.out)
        except (OSError, ValueError):
            args.out.unlink()  # a new file, which would be in the way
            raise
    print(f'{args.out} inherits from {args.config}.')
    print('\n'.join(['Decided:', *_listed(adapted.decided)]))
    print(
        '\n'.join(['Left open:', *_listed(adapted.left_open or ['nothing'])])
    )
    print(f'Train it with: {adapted.command} {shlex.quote(str(args.out))}')
    return 0


def _listed(lines: list[str]) -> list[str]:
    return [f'  - {line}' for line in lines]


def adapt(args: argparse.Namespace) -> Adapted:
    """Return the config that the arguments ask for.

    Raises:
        OSError: If the stock config cannot be read.
        ValueError: If it and the method do not fit.
    """
    method = METHODS[args.method]
    stock = read_stock(args.config, args.out.parent)
    with DefaultScope.overwrite_default_scope(stock.scope):
        if method.hook is None:
            return with_replaced_loss(stock, method, args.config)
        return WeightedConfig(stock, method, args).write()
