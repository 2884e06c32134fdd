"""What a config is checked for before anything is trained."""

from __future__ import annotations

from typing import Any

from mmengine.dist import get_world_size
from mmengine.hooks import EMAHook
from mmengine.optim import OptimWrapperDict
from mmengine.registry import TASK_UTILS

from mmada.controllers import Controller
from mmada.engine.exploration.targets import Target
from mmada.engine.loops.explore_then_train_loop import scales_rate
from mmada.engine.mmengine_adapters import accumulated_iterations
from mmada.engine.replicas.live_replica import LiveReplica


def check_length(num_rounds: int, replica_timeout: float) -> None:
    """Refuse a search without rounds, and ranks that wait for nothing.

    Args:
        num_rounds: T.
        replica_timeout: Seconds that a rank may keep the others waiting.

    Raises:
        ValueError: If one of them is not positive.
    """
    if num_rounds < 1:
        raise ValueError(f'`num_rounds` is {num_rounds}; expected at least 1.')
    if not replica_timeout > 0:
        raise ValueError(
            f'`replica_timeout` is {replica_timeout}; expected a '
            'positive number of seconds.'
        )


def check_optimization(live: LiveReplica, num_iters: int) -> None:
    """Refuse optimizers and schedules that a replica cannot have.

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
            '`optim_wrapper` holds several optimizers; an exploration '
            'expects one.'
        )
    if any(getattr(s, 'need_val_args', False) for s in live.schedulers):
        raise ValueError(
            '`param_scheduler` holds one that follows a metric '
            '(ReduceOnPlateau); an exploration expects schedules of '
            'iterations or epochs, the same for all replicas.'
        )
    counts = accumulated_iterations(live.optim_wrapper)
    if num_iters % counts:
        raise ValueError(
            f'`optim_wrapper.accumulative_counts` is {counts}; expected a '
            f'divisor of the {num_iters} iterations of a round '
            '(`iters_per_round`).'
        )


def refuse_averages(runner: Any) -> None:
    """Refuse hooks that average a training that there is not.

    Args:
        runner: Its training loop is an exploration alone.

    Raises:
        ValueError: If there is an EMAHook.
    """
    if any(isinstance(hook, EMAHook) for hook in runner.hooks):
        raise ValueError(
            '`custom_hooks` holds an EMAHook, and `train_cfg.type` is '
            'ParallelExplorationLoop; expected none: it averages over the '
            'iterations of a training, of which an exploration has none. '
            'Remove it, or explore in an ExploreThenTrainLoop, whose '
            'training it averages.'
        )


def refuse_scaled_rate(runner: Any) -> None:
    """Refuse a learning rate that was scaled for too large a batch.

    Args:
        runner: Its training loop is an exploration alone.

    Raises:
        ValueError: If MMEngine scaled it on several ranks.
    """
    if scales_rate(runner) and get_world_size() > 1:
        raise ValueError(
            '`auto_scale_lr.enable` is True on '
            f'{get_world_size()} ranks, and `train_cfg.type` is '
            'ParallelExplorationLoop; expected False: MMEngine takes '
            '`batch_size` for that of a rank, and here it is that of a '
            'replica. Set the learning rate that fits it, or explore in an '
            'ExploreThenTrainLoop, which scales by the right one.'
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
            f'`controller.type` is {kind!r}; expected a registered '
            f'{target.controllers.__name__}, since `target.type` is '
            f'{type(target).__name__}.'
        )
    return found
