"""What a config is checked for before anything is trained."""

from __future__ import annotations

import logging
from typing import Any

from mmengine.dist import get_world_size
from mmengine.logging import print_log
from mmengine.optim import OptimWrapperDict
from mmengine.registry import TASK_UTILS

from mmada.controllers import Controller
from mmada.engine.exploration.targets import Target
from mmada.engine.mmengine_adapters import accumulated_iterations
from mmada.engine.replicas.live_replica import LiveReplica


def check_optimization(live: LiveReplica, num_iters: int) -> None:
    """Check that replicas can share the optimizer and the schedules.

    Args:
        live: With the optimizer and the schedulers.
        num_iters: Iterations q of a round.

    Raises:
        TypeError: If there are several optimizers.
        ValueError: If a schedule follows a metric, or gradients would be
            accumulated over two rounds.
    """
    if isinstance(live.optim_wrapper, OptimWrapperDict) or isinstance(
        live.schedulers, dict
    ):
        raise TypeError(
            '`optim_wrapper` should hold one optimizer in an exploration. '
            'Found several optimizers.'
        )
    if any(getattr(s, 'need_val_args', False) for s in live.schedulers):
        raise ValueError(
            '`param_scheduler` should hold schedules of iterations or '
            'epochs, the same for all replicas. Found one that follows a '
            'metric (ReduceOnPlateau).'
        )
    counts = accumulated_iterations(live.optim_wrapper)
    if num_iters % counts:
        raise ValueError(
            '`optim_wrapper.accumulative_counts` should be a divisor of the '
            f'{num_iters} iterations of a round (`iters_per_round`). '
            f'Found {counts}.'
        )


def check_auto_scale_lr(runner: Any) -> None:
    """Check that the learning rate was not scaled for too large a batch.

    Args:
        runner: Its training loop is an exploration alone.

    Raises:
        ValueError: If MMEngine scaled it on several ranks.
    """
    if scales_rate(runner) and get_world_size() > 1:
        raise ValueError(
            '`auto_scale_lr.enable` should be False on several ranks where '
            '`train_cfg.type` is ParallelExplorationLoop. Found True on '
            f'{get_world_size()} ranks. MMEngine takes `batch_size` for that '
            'of a rank, and here it is that of a replica: set the learning '
            'rate that fits it, or explore in an ExploreThenTrainLoop, which '
            'scales by the right one.'
        )


def scales_rate(runner: Any) -> bool:
    """Return whether learning rates are scaled by the size of a batch."""
    return bool((runner.auto_scale_lr or {}).get('enable', False))


def warn_of_batches(runner: Any, replica: int, training: Any) -> None:
    """Warn where one learning rate is for batches of two sizes.

    Args:
        runner: The runner.
        replica: Images of a replica's iteration, on all its ranks.
        training: The loop of the training that follows.
    """
    # torch has it in the one or the other.
    loader = training.dataloader
    per_rank = loader.batch_size or getattr(
        loader.batch_sampler, 'batch_size', None
    )
    ranks = get_world_size()
    if (
        not isinstance(per_rank, int)
        or replica == per_rank * ranks
        or scales_rate(runner)
    ):
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


def controller_class(
    controller: dict[str, Any], target: Target
) -> type[Controller]:
    """Return the class that a controller's config names.

    Args:
        controller: Config of the controller.
        target: What its actions are applied to.

    Raises:
        ValueError: If there is no such class, or its actions do not fit.
    """
    kind = controller.get('type')
    found = TASK_UTILS.get(kind) if isinstance(kind, str) else kind
    if found is None or not issubclass(found, target.controllers):
        raise ValueError(
            '`controller.type` should be a registered '
            f'{target.controllers.__name__}, since `target.type` is '
            f'{type(target).__name__}. Found {kind!r}.'
        )
    return found
