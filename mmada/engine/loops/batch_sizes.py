"""A replica's batch against a training's: which one a learning rate is for."""

from __future__ import annotations

import logging
from typing import Any

from mmengine.dist import get_world_size
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper


def scales_rate(runner: Any) -> bool:
    """Returns whether learning rates are scaled by the size of a batch."""
    return bool((runner.auto_scale_lr or {}).get('enable', False))


def scale_rate(
    runner: Any, optim_wrapper: OptimWrapper, batch_size: int
) -> None:
    """Scales the learning rate of an exploration, where that is asked for.

    As MMEngine's `scale_lr`, which multiplies the ranks with the
    `batch_size` of `train_dataloader` and wants to be first of all.

    Args:
        runner: The runner.
        optim_wrapper: That of the exploration.
        batch_size: Images of a replica's iteration, on all its ranks.
    """
    if not scales_rate(runner):
        return
    base = runner.auto_scale_lr['base_batch_size']
    print_log(
        f'The exploration has batches of {batch_size}, the learning rate is '
        f'meant for {base}: it is scaled by {batch_size / base:g}.',
        'current',
    )
    for group in optim_wrapper.param_groups:
        group['lr'] *= batch_size / base


def warn_of_batches(runner: Any, replica: int, training: Any) -> None:
    """Warns where one learning rate is for batches of two sizes.

    Args:
        runner: The runner.
        replica: Images of a replica's iteration, on all its ranks.
        training: The loop of the training that follows.
    """
    per_rank = getattr(training.dataloader, 'batch_size', None)
    ranks = get_world_size()
    if per_rank is None or replica == per_rank * ranks or scales_rate(runner):
        return
    print_log(
        f'A replica trains on batches of {replica} (`batch_size` of the '
        f"exploration's dataloader), the training afterwards on "
        f'{per_rank * ranks} ({ranks} ranks of {per_rank}), both at the same '
        'learning rate. Give the exploration a `dataloader` with '
        f'`batch_size={per_rank * ranks}`, or start with `--auto-scale-lr`.',
        'current',
        level=logging.WARNING,
    )
