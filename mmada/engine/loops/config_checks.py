"""What a config is checked for before anything is trained."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmdet.evaluation import CocoMetric
from mmengine.dist import get_world_size
from mmengine.logging import print_log
from mmengine.optim import OptimWrapperDict
from mmengine.runner import IterBasedTrainLoop

from mmada.controllers import Controller
from mmada.datasets.class_images import (
    classes_left_out,
    count_class_images,
    name_classes,
)
from mmada.datasets.image_subset import ImageSubset
from mmada.engine.distributed.replica_groups import partition
from mmada.engine.exploration.targets import Target
from mmada.engine.mmengine_adapters import accumulated_iterations
from mmada.engine.registration import check_options, registered_class
from mmada.engine.replicas.live_replica import LiveReplica
from mmada.evaluation import coco_metric_class
from mmada.utils.checks import check_int

GIVEN = ('num_objectives', 'action_size', 'num_rounds', 'seed', 'initial')
"""Arguments of controllers that a search sets."""


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
        fitting = -(-num_iters // counts) * counts
        raise ValueError(
            '`optim_wrapper.accumulative_counts` should be a divisor of the '
            f'{num_iters} iterations of a round, an epoch if the exploration '
            f'has no `iters_per_round`. Found {counts}. Set '
            f'`iters_per_round={fitting}` beside `num_rounds`.'
        )


def check_total_steps(
    schedulers: Sequence[Any], max_iters: int, epoch_length: int
) -> None:
    """Check that schedules of a given number of steps are long enough.

    Args:
        schedulers: Of a replica.
        max_iters: Iterations of its training.
        epoch_length: Iterations of an epoch.

    Raises:
        ValueError: If one would be stepped more often, where it fails.
    """
    for scheduler in schedulers:
        total = getattr(scheduler, 'total_steps', None)  # of OneCycleLR
        if total is None:
            continue
        by_epoch = scheduler.by_epoch
        length = max_iters // epoch_length if by_epoch else max_iters
        if min(length, scheduler.end - 1) - scheduler.begin > total:
            raise ValueError(
                '`total_steps` in `param_scheduler` should cover the '
                f'{length} {"epochs" if by_epoch else "iterations"} of a '
                f"replica's training. Found {total}, of "
                f'{type(scheduler).__name__}.'
            )


def check_schedules(schedulers: Any, training: Any) -> None:
    """Check that the training steps the schedules of its search.

    Args:
        schedulers: Those of a search, as MMEngine builds them.
        training: The loop of the training that follows.

    Raises:
        ValueError: If it is an IterBasedTrainLoop and one counts epochs.
    """
    if not isinstance(training, IterBasedTrainLoop):
        return
    if not isinstance(schedulers, list):  # of several optimizers
        return
    by_epoch = [type(s).__name__ for s in schedulers if s.by_epoch]
    if by_epoch:
        raise ValueError(
            '`param_scheduler` should hold schedules of iterations '
            '(`by_epoch=False`) where the training is an IterBasedTrainLoop, '
            'in which MMEngine steps those of epochs at the very end only. '
            f'Found {", ".join(by_epoch)} of epochs, which a search would '
            'step.'
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


def warn_of_data(training: Any, exploration: Any) -> None:
    """Warn where a search's training data differ from the training's.

    A search config copies the data of its base, so a change of
    `train_dataloader` in a config that inherits, or on the command line, does
    not reach the search.

    Args:
        training: Dataloader of the training, as a config or built.
        exploration: That of the search.
    """
    wanted, found = map(dataset_of, (training, exploration))
    if not (isinstance(wanted, Mapping) and isinstance(found, Mapping)):
        return  # built ones say nothing of what made them
    wanted, found = map(_all_images, (wanted, found))
    names = [
        f'`{name}`'
        for name in wanted | found
        if wanted.get(name) != found.get(name)
    ]
    if names:
        print_log(
            "The dataset of the exploration differs from the training's in "
            f'{", ".join(names)}. If you changed `train_dataloader` in a '
            'config that inherits, or with `--cfg-options`, change the '
            '`dataloader` of the exploration as well.',
            'current',
            level=logging.WARNING,
        )


def dataset_of(dataloader: Any) -> Any:
    """Return the dataset of a dataloader, each as a config or built.

    Raises:
        ValueError: If it is neither.
    """
    if isinstance(dataloader, Mapping):
        return dataloader.get('dataset')
    if not hasattr(dataloader, 'dataset'):
        raise ValueError(
            '`dataloader` should be a config, or be left out for '
            f'`train_dataloader`. Found {dataloader!r}.'
        )
    return dataloader.dataset


def _all_images(config: Any) -> Any:
    """Return the config of a dataset without what holds images out."""
    if isinstance(config, Mapping):
        kind = config.get('type')
        name = str(getattr(kind, '__name__', kind)).rpartition('.')[2]
        if name == ImageSubset.__name__:
            return _all_images(config['dataset'])
        return {key: _all_images(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return [_all_images(each) for each in config]
    return config


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
    found = registered_class('controller', controller, target.controllers)
    check_options(
        'controller',
        controller,
        found,
        given=GIVEN,
        more=found.more_options(controller),
    )
    return found


def check_known(loop: type, unknown: dict[str, Any]) -> None:
    """Check that a loop was given no options of another one.

    Args:
        loop: Class of the loop.
        unknown: What it has no argument for.

    Raises:
        ValueError: If there is any.
    """
    if unknown:
        known = [
            name
            for name in inspect.signature(loop).parameters
            if name not in ('runner', 'unknown')
        ]
        raise ValueError(
            f'`train_cfg` should have options of {loop.__name__}: '
            f'{", ".join(known)}. Found {", ".join(map(repr, unknown))}. '
            'What a base config brings is left out by `_delete_=True`.'
        )


def check_reward(dataloader: Any, evaluator: Any) -> None:
    """Check the configs of a reward before any data are read.

    Args:
        dataloader: Config of the reward data.
        evaluator: Config of the metrics, or several.

    Raises:
        ValueError: If one is missing, or the metric counts other images.
    """
    for name, found in (
        ('reward_dataloader', dataloader),
        ('reward_evaluator', evaluator),
    ):
        if not found:
            raise ValueError(
                f'`{name}` should be a config: of images that are held out '
                'of training, and of the metrics on them. '
                f'Found {found!r}. `mmada split` holds images out.'
            )
    several = isinstance(evaluator, (list, tuple))
    metrics = evaluator if several else [evaluator]
    kinds = [m.get('type') for m in metrics if isinstance(m, dict)]
    if any(coco_metric_class(kind) is CocoMetric for kind in kinds):
        _check_coco(dataloader)


def _check_coco(dataloader: Any) -> None:
    advice = (
        "`type='SubsetCocoMetric'` takes the same options, and scores the "
        'images that were evaluated.'
    )
    if any(True for _ in _entries(dataloader, 'ids_file')):
        raise ValueError(
            '`reward_evaluator.type` should be SubsetCocoMetric where '
            '`reward_dataloader` has an ImageSubset. Found CocoMetric, for '
            'which the objects of all other images of `ann_file` are missed '
            f'ones. {advice}'
        )
    print_log(
        'CocoMetric gives no value for a model that finds nothing, as one '
        f'does at first; such a replica counts as diverged. {advice}',
        'current',
        level=logging.WARNING,
    )


def warn_of_classes(training: Any, reward: Any) -> None:
    """Warn of classes that are trained, but on no reward image.

    Args:
        training: Data set of the training.
        reward: Data set of the rewards.
    """
    images = count_class_images(reward)
    if images is None or all(images.values()):
        return
    left_out = classes_left_out(images, count_class_images(training))
    if left_out:
        print_log(
            'No image of `reward_dataloader` has an object or segment of '
            f'{name_classes(left_out)}, while the training has. The search '
            'may give up such classes, as its rewards ignore them. Hold '
            'images with them out as well.',
            'current',
            level=logging.WARNING,
        )


def check_id_lists(*configs: Any) -> None:
    """Check that the lists of image ids are there, before data are read.

    Args:
        *configs: Of dataloaders.

    Raises:
        ValueError: If a local list is missing.
    """
    for path in _entries(configs, 'ids_file'):
        if '://' not in path and not Path(path).is_file():
            raise ValueError(
                '`ids_file` should be a list of the images that are held '
                f'out. Found no file {path}. `mmada split CONFIG` writes '
                'one.'
            )


def _entries(config: Any, name: str) -> Iterator[str]:
    """Yield the values of an entry, wherever in a config it is."""
    if isinstance(config, dict):
        if name in config:
            yield str(config[name])
        config = list(config.values())
    if isinstance(config, (list, tuple)):
        for part in config:
            yield from _entries(part, name)


def check_ranks(ranks_per_replica: int | None) -> None:
    """Check that there are as many ranks as a replica is to have.

    Raises:
        ValueError: If there are fewer.
    """
    if ranks_per_replica is not None:
        check_int('ranks_per_replica', ranks_per_replica, 1)
        partition(get_world_size(), 1, ranks_per_replica)
