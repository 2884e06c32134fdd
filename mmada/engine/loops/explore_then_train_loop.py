"""Algorithm 1 in one run: explore, then train a fresh model."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from mmengine.registry import LOOPS
from mmengine.runner import (
    BaseLoop,
    EpochBasedTrainLoop,
    IterBasedTrainLoop,
)
from torch import nn

from mmada.engine.distributed import Channel, check_shared_directory
from mmada.engine.exploration.targets import build_target
from mmada.engine.hooks.weighting_hook import check_single
from mmada.engine.loops.config_checks import (
    check_known,
    check_schedules,
    scales_rate,
    warn_of_batches,
    warn_of_data,
)
from mmada.engine.mmengine_adapters import (
    is_resumed,
    set_progress,
    set_train_loop,
)
from mmada.engine.monitor import Monitor, TrainingMonitorHook
from mmada.engine.optimizers import remove_head_rule, suspended_head_rule
from mmada.engine.replicas.course import Course
from mmada.engine.replicas.live_replica import (
    KeptSnapshot,
    LiveReplica,
    Snapshot,
    loaded,
)
from mmada.engine.replicas.replica_hooks import check_hooks
from mmada.engine.state import RunLock, StateStore
from mmada.utils.checks import check_int, check_number
from mmada.utils.files import discard
from mmada.utils.run_files import INITIAL_DIR
from mmada.utils.seeding import derive_seed, seed_all


@LOOPS.register_module()
class ExploreThenTrainLoop(BaseLoop):
    """Explores, then trains a fresh model with what was found.

    A run, in order:

    1. The explorations, one after the other. Each has an optimizer and
       schedules of its own, built from the run's config for its length.
    2. After each, its target sets what was found, unless a hook does: a
       policy needs a :class:`PolicyWeightingHook` in `custom_hooks`, without
       which nothing is begun.
    3. An ordinary training with the run's optimizer and schedules: all hooks
       fire, its checkpoints are the run's.

    Every phase starts from the same initial weights, which are kept on disk,
    so that this holds after a resume as well. A resumed run goes on in the
    phase that it was in.

    Args:
        runner: The runner.
        dataloader: Training data of all phases.
        exploration: Config of an exploration loop, or of several in turn,
            each with its own `directory`; they may bring a `dataloader`.
        training: Config of an ordinary training loop.
    """

    def __init__(
        self,
        runner: Any,
        dataloader: dict[str, Any],
        exploration: dict[str, Any] | list[dict[str, Any]],
        training: dict[str, Any],
        **unknown: Any,
    ) -> None:
        check_known(ExploreThenTrainLoop, unknown)
        check_single(runner)
        configs = search_configs(dict(exploration=exploration))
        if not (configs and all(isinstance(c, Mapping) for c in configs)):
            raise ValueError(
                '`exploration` should be the config of a search, or several. '
                f'Found {exploration!r}.'
            )
        training = _training_config(training)
        for config in configs:
            build_target(config.get('target')).check_training(runner)
            warn_of_data(dataloader, config.get('dataloader', dataloader))
        self.explorations: list[Any] = [
            LOOPS.build(
                config,
                default_args=dict(runner=runner, dataloader=dataloader),
            )
            for config in configs
        ]
        _check_directories(self.explorations)
        self.training: Any = LOOPS.build(
            training, default_args=dict(runner=runner, dataloader=dataloader)
        )
        super().__init__(runner, self.training.dataloader)
        self._epoch = 0  # set by a resume
        self._iter = 0

    @property
    def epoch(self) -> int:
        """Epochs of the training done."""
        return self._epoch

    @property
    def iter(self) -> int:
        """Iterations of the training done."""
        return self._iter

    @property
    def stop_training(self) -> bool:
        """Whether the training ends early, which EarlyStoppingHook sets."""
        return self.training.stop_training

    @stop_training.setter
    def stop_training(self, stop: bool) -> None:
        self.training.stop_training = stop

    @property
    def val_begin(self) -> int:
        """When the training validates first."""
        return self.training.val_begin

    @property
    def val_interval(self) -> int:
        """How often the training validates."""
        return self.training.val_interval

    @property
    def max_epochs(self) -> int:
        """Epochs of the training."""
        return self.training.max_epochs

    @property
    def max_iters(self) -> int:
        """Iterations of the training."""
        return self.training.max_iters

    def run(self) -> nn.Module:
        """Run all phases, or what is left of them after a resume."""
        check_shared_directory(Path(self.runner.work_dir))
        with Monitor(self.runner) as monitor:
            for exploration in self.explorations:
                if self._iter == 0:
                    self._explore(exploration, monitor)
                exploration.finish(monitor)
            if self._iter == 0:
                seed_all(derive_seed(self.explorations[-1].seed, 'training'))
                print_log('Exploration done; the training begins.', 'current')
            return self._train(monitor)

    def _train(self, monitor: Monitor) -> nn.Module:
        monitor.begin()  # a resumed run has not explored
        metric = self.explorations[-1].reward_metric
        self.runner.register_hook(TrainingMonitorHook(monitor, metric))
        set_progress(self.training, self._epoch, self._iter)
        set_train_loop(self.runner, self.training)
        return self.training.run()

    def _explore(self, exploration: Any, monitor: Monitor) -> None:
        warn_of_batches(
            self.runner, exploration.loader.batch_size, self.training
        )
        check_hooks(self.runner)
        with self._exploration_scope(exploration) as live:
            course = Course(self.runner, exploration.loader)
            live = replace(live, attributes=course.attributes)
            initial = self._initial(exploration, live)
            live.restore(initial)
            course.before_train()
            exploration.explore(live, course, monitor)
            live.restore_model(loaded(initial))
            live.optim_wrapper.zero_grad(set_to_none=True)

    def _initial(self, exploration: Any, live: LiveReplica) -> KeptSnapshot:
        """Return the start of a phase, the same after a resume."""
        store = StateStore(exploration.directory / INITIAL_DIR, {})
        with contextlib.closing(Channel()) as channel:
            found: list[Snapshot] = []
            channel.from_main(
                lambda: found.append(
                    self._load_or_keep(store, exploration, live)
                )
            )
            early = channel.broadcast(found.pop() if found else {}, 0)
        return live.adopt(early or store.parts(0)['start'])

    def _load_or_keep(
        self, store: StateStore, exploration: Any, live: LiveReplica
    ) -> Snapshot:
        """Store the start, if it is not there.

        Returns:
            What an early version stored in one piece, else an empty dict.
        """
        if store.root.exists() and not is_resumed(self.runner):
            # Of a start that ended at a mistake in the config, before
            # anything was searched.
            with RunLock(exploration.directory):
                discard(store.root, 'state.inside_delete')
        found = store.latest()
        if found is not None:
            return found[1]
        store.commit(0, {}, dict(start=live.capture('cpu')))
        return {}

    @contextlib.contextmanager
    def _exploration_scope(self, exploration: Any) -> Iterator[LiveReplica]:
        """Give an optimizer and schedules over the exploration's length."""
        runner = self.runner
        kept = runner.optim_wrapper, runner.train_loop
        config = copy.deepcopy(runner.cfg)
        set_train_loop(runner, exploration)
        # Two head rules at once would shield the heads twice.
        with suspended_head_rule(kept[0]):
            optim_wrapper = runner.build_optim_wrapper(config.optim_wrapper)
            runner.optim_wrapper = optim_wrapper
            try:
                _scale_rate(
                    runner, optim_wrapper, exploration.loader.batch_size
                )
                configs = config.get('param_scheduler')
                schedulers = (
                    runner.build_param_scheduler(configs) if configs else []
                )
                check_schedules(schedulers, self.training)
                yield LiveReplica(runner.model, optim_wrapper, schedulers)
            finally:
                remove_head_rule(optim_wrapper)
                runner.optim_wrapper = kept[0]
                set_train_loop(runner, kept[1])


def _scale_rate(
    runner: Any, optim_wrapper: OptimWrapper, batch_size: int
) -> None:
    """Scale the learning rate of an exploration, where that is asked for.

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
    check_number('auto_scale_lr.base_batch_size', base, 0, above=True)
    print_log(
        f'The exploration has batches of {batch_size}, the learning rate is '
        f'meant for {base}: it is scaled by {batch_size / base:g}.',
        'current',
    )
    for group in optim_wrapper.param_groups:
        group['lr'] *= batch_size / base


def search_configs(train_cfg: Mapping[str, Any]) -> list[Any]:
    """Return the configs of the searches of a run, in order.

    Args:
        train_cfg: Of a run. Without `exploration` it is the search itself,
            or a training without one.
    """
    found = train_cfg.get('exploration', train_cfg)
    return list(found) if isinstance(found, (list, tuple)) else [found]


def _training_config(config: Any) -> dict[str, Any]:
    """Return the config of the training loop, as a Runner reads `train_cfg`.

    Raises:
        ValueError: If nothing says which loop it is, or it would fail after
            its first epoch.
    """
    given = dict(config) if isinstance(config, Mapping) else {}
    if ('type' in given) == ('by_epoch' in given):
        raise ValueError(
            '`training` should have either `type` or `by_epoch`, as '
            f'`train_cfg` of an ordinary training. Found {config}.'
        )
    if 'val_interval' in given:
        check_int('training.val_interval', given['val_interval'], 1)
    if 'by_epoch' in given:
        by_epoch = given.pop('by_epoch')
        given['type'] = EpochBasedTrainLoop if by_epoch else IterBasedTrainLoop
    return given


def _check_directories(explorations: list[Any]) -> None:
    names = [str(exploration.directory) for exploration in explorations]
    if len(set(names)) < len(names):
        raise ValueError(
            '`exploration` should give each search a `directory` of its own. '
            f'Found {names}.'
        )
