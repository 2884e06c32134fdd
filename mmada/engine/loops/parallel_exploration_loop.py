"""Rounds of exploration: m replicas, one controller, one winner a round."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmengine import dist
from mmengine.evaluator import Evaluator
from mmengine.registry import LOOPS, TASK_UTILS
from mmengine.runner import BaseLoop
from torch import nn

from mmada.controllers import Controller
from mmada.engine.checkpoints import named_checkpoint
from mmada.engine.distributed import (
    Channel,
    ReplicaGroups,
    Share,
    check_shared_directory,
    check_sync_batch_norm,
)
from mmada.engine.exploration.exploration import Exploration
from mmada.engine.exploration.history import why_nothing_learned
from mmada.engine.exploration.replica_runner import ReplicaRunner
from mmada.engine.exploration.reporter import ExplorationReporter
from mmada.engine.exploration.results import write_results
from mmada.engine.exploration.state import (
    ExplorationState,
    check_begun,
    identity_of,
    load_newest,
)
from mmada.engine.exploration.targets import build_target
from mmada.engine.loops.config_checks import (
    check_auto_scale_lr,
    check_id_lists,
    check_known,
    check_optimization,
    check_ranks,
    check_reward,
    check_total_steps,
    controller_class,
    dataset_of,
    warn_of_classes,
)
from mmada.engine.mmengine_adapters import (
    expect_no_checkpoint,
    is_resumed,
    take_over_seed,
)
from mmada.engine.monitor import Monitor
from mmada.engine.optimizers import show_whole_groups
from mmada.engine.registration import warnings_in_log
from mmada.engine.replicas.course import Course
from mmada.engine.replicas.live_replica import LiveReplica
from mmada.engine.replicas.replica_hooks import check_hooks
from mmada.engine.replicas.segment_loader import SegmentLoader
from mmada.engine.reward import RewardEvaluator, RewardMetric
from mmada.engine.state import RunLock, StateStore, stored_identity
from mmada.engine.training_features import compiled_as, prepare_features
from mmada.utils.checks import check_int, check_number
from mmada.utils.files import remove_leftovers
from mmada.utils.run_files import EXPLORATION_DIR, STATES_DIR
from mmada.utils.seeding import derive_seed, preserve_rng


@LOOPS.register_module()
class ParallelExplorationLoop(BaseLoop):
    """Searches with m replicas for what makes a training better.

    A run, in order:

    1. The target looks at the model, the controller is built for it, and the
       reward metric is checked.
    2. A run that is resumed goes on from the newest state. A new one finds
       the losses l^1 in a pseudo epoch with the neutral action.
    3. Rounds: the controller proposes an action for each replica, such as
       loss weights. Every replica trains q batches with its own and is scored
       on the reward data. The controller learns from all scores.
    4. The target writes what was found (`policy.safetensors`), and the winner
       of the last round goes to `explored.pth` if rounds pass it on.

    A replica starts from the winner of the last round, always anew, or from
    its own state, as the controller wants, or rests. The replicas take turns
    on one live model a rank, so an accelerator's memory does not grow with m,
    and the result does not depend on the number of ranks. After each wave of
    replicas the state is committed under `work_dir/exploration`. Of the run's
    hooks those act on a replica that are part of its training, see
    :class:`InReplicas`; `after_exploration_round(runner, record)` is called
    once a round.

    Args:
        runner: The runner.
        dataloader: Training data; its `batch_size` is that of one replica.
            Segments are slices of what its sampler gives.
        num_rounds: Number of rounds T.
        controller: Config of a :class:`Controller`.
        reward_dataloader: Data held out of training that feed the rewards.
        reward_evaluator: Metrics on these data.
        reward_metric: Key of the metric that is maximised, or the weights
            of a sum of metrics by key; a negative weight minimises.
        target: Config of a :class:`Target`, what an action is applied to;
            None for the weights of the objectives.
        iters_per_round: Iterations q of a round; None for one epoch.
        log_interval: Iterations between progress lines.
        seed: Seed of the search; None for the runner's, which a resumed run
            without one takes over from the states.
        ranks_per_replica: Ranks W' that train one replica together, each a
            W'-th of its batch; None for max(1, W // m) of W ranks.
        replica_timeout: Seconds that a rank may keep the others waiting
            before they give the run up.
        directory: Folder in the work directory that the states and the
            history are in; searches of one run need different ones.

    Raises:
        ValueError: If an option does not fit.
    """

    def __init__(
        self,
        runner: Any,
        dataloader: dict[str, Any],
        num_rounds: int,
        controller: dict[str, Any],
        reward_dataloader: dict[str, Any],
        reward_evaluator: dict[str, Any] | list[dict[str, Any]],
        reward_metric: str | dict[str, float] = 'coco_panoptic/PQ',
        target: dict[str, Any] | None = None,
        iters_per_round: int | None = None,
        log_interval: int = 50,
        seed: int | None = None,
        ranks_per_replica: int | None = None,
        replica_timeout: float = 12 * 3600,
        directory: str = EXPLORATION_DIR,
        **unknown: Any,
    ) -> None:
        check_known(ParallelExplorationLoop, unknown)
        self.num_rounds = check_int('num_rounds', num_rounds, 1)
        self._replica_timeout = check_number(
            'replica_timeout', replica_timeout, 0, above=True
        )
        self.reward_metric = RewardMetric(reward_metric)
        self._directory = _check_directory(directory)
        check_reward(reward_dataloader, reward_evaluator)
        check_id_lists(dataloader, reward_dataloader)
        check_ranks(ranks_per_replica)
        self.target = build_target(target)
        self._controller_config = controller
        self._data = dict(
            training_data=dataset_of(dataloader),
            reward_data=dataset_of(reward_dataloader),
            reward_evaluator=reward_evaluator,
        )
        self._training_rounds = controller_class(
            controller, self.target
        ).training_rounds(num_rounds, controller)
        check_begun(
            Path(runner.work_dir) / directory / STATES_DIR, is_resumed(runner)
        )
        if named_checkpoint(runner.work_dir) is None:
            expect_no_checkpoint(runner)  # its states are elsewhere
        if seed is None:
            seed = _seed_of(runner, directory)
        self.seed = check_int('seed', seed, 0)
        # Metrics name what is wrong with their files and with the classes;
        # a dataset or the first look at the model would stop in between.
        metrics = Evaluator(reward_evaluator).metrics
        self.loader = SegmentLoader(dataloader, iters_per_round, self.seed)
        super().__init__(runner, self.loader.template)
        for metric in metrics:
            metric.dataset_meta = getattr(
                self.dataloader.dataset, 'metainfo', None
            )
        self._reward = (
            reward_dataloader,
            metrics,
            reward_metric,
            self.seed,
        )
        self._ranks_per_replica = ranks_per_replica
        self._log_interval = check_int('log_interval', log_interval, 1)
        self._epoch = 0
        self._iter = 0

    @property
    def iter(self) -> int:
        """Iterations of the committed trajectory."""
        return self._iter

    @property
    def epoch(self) -> int:
        """Epochs of the committed trajectory."""
        return self._epoch

    @property
    def max_iters(self) -> int:
        """Iterations of the schedule, of one training in rounds."""
        return self._training_rounds * self.loader.num_iters

    @property
    def max_epochs(self) -> int:
        """Epochs of the committed trajectory, rounded up."""
        return -(-self.max_iters // self.loader.epoch_length)

    @property
    def directory(self) -> Path:
        """Where the states of the exploration are."""
        return Path(self.runner.work_dir) / self._directory

    def run(self) -> nn.Module:
        """Explore with the runner's own optimizer and schedulers."""
        check_shared_directory(Path(self.runner.work_dir))
        check_auto_scale_lr(self.runner)
        check_hooks(self.runner)
        show_whole_groups(self.runner.hooks)
        with Monitor(self.runner) as monitor:
            self.runner.call_hook('before_train')
            course = Course(self.runner, self.loader)
            live = LiveReplica(
                self.runner.model,
                self.runner.optim_wrapper,
                self.runner.param_schedulers or [],
                course.attributes,
            )
            self.explore(live, course, monitor)
            self.runner.call_hook('after_train')
        return self.runner.model

    def explore(
        self, live: LiveReplica, course: Course, monitor: Monitor
    ) -> None:
        """Run the rounds that are not done yet and write what was found.

        Args:
            live: Model, optimizer and schedulers at the schedule's start.
            course: Counters and hooks of the replicas' training.
            monitor: Shows where the run is.
        """
        prepare_features(self.runner)
        with contextlib.ExitStack() as stack:
            channel = Channel(self._replica_timeout)
            stack.callback(channel.close)
            channel.from_main(lambda: self._lock(stack))
            monitor.begin()
            self.controller = self.build_controller(live, course)
            groups = ReplicaGroups(
                self.controller.num_replicas, self._ranks_per_replica
            )
            stack.callback(groups.close)
            exploration = self._prepare(live, course, groups, channel, monitor)
            state = self._resume(exploration) or exploration.begin()
            self.reporter.rounds()
            while not exploration.is_over(state):
                record = exploration.run_round(state)
                self._count(exploration.start_states.rounds_done(state))
                if record is not None:
                    self.reporter.publish(record, state)
            self._write_results(live, state, exploration)

    def finish(self, monitor: Monitor) -> None:
        """Prepare the runner's model for the training after the search.

        Args:
            monitor: Shows where the run is.

        Raises:
            ValueError: If what was found is in another directory.
        """
        work_dir = Path(self.runner.work_dir)
        found = work_dir / self.target.file
        if not found.exists():
            raise ValueError(
                '`work_dir` should be that of the search, since the '
                'checkpoint that is resumed is of the training after it. '
                f'Found no file {found}: copy it, or the whole directory.'
            )
        self.target.finish(work_dir, self.runner.model)
        stored = self.target.stored_provenance(work_dir)
        monitor.update(nothing_learned=stored.get('nothing_learned'))

    def build_controller(
        self,
        live: LiveReplica,
        course: Course,
        batches: Iterable[Any] | None = None,
    ) -> Controller:
        """Bind the target to the model and build what searches.

        All ranks look at the same batches, so that they see the same.

        Args:
            live: Before any training step.
            course: Counters and hooks of the replicas' training.
            batches: To look at; None for those of the first segment.
        """
        check_optimization(live, self.loader.num_iters)
        check_total_steps(
            live.schedulers, self.max_iters, self.loader.epoch_length
        )
        if batches is None:
            share = Share(0, self._ranks_per_replica or 1)
            batches = self.loader.shared(share).segment(0)
        with preserve_rng(), course.look(0):
            self.target.bind(live, batches)
        with warnings_in_log():
            controller: Controller = TASK_UTILS.build(
                self._controller_config,
                default_args=dict(
                    **self.target.controller_arguments,
                    num_rounds=self.num_rounds,
                    seed=derive_seed(self.seed, 'controller'),
                ),
            )
        controller.begin(self.target.names)
        return controller

    def build_evaluator(self) -> RewardEvaluator:
        """Build what scores the replicas of this rank's group."""
        return RewardEvaluator(*self._reward)

    def _lock(self, stack: contextlib.ExitStack) -> None:
        stack.enter_context(RunLock(self.directory))
        remove_leftovers(self.directory)

    def _prepare(
        self,
        live: LiveReplica,
        course: Course,
        groups: ReplicaGroups,
        channel: Channel,
        monitor: Monitor,
    ) -> Exploration:
        """Check the reward and build what runs the rounds."""
        if channel.size > 1:
            check_sync_batch_norm(live.model)
        with groups.scope(), preserve_rng(), live.attributes.preserved():
            self.evaluator = self.build_evaluator()
            self.evaluator.check(live.model)
        warn_of_classes(
            self.dataloader.dataset, self.evaluator.dataloader.dataset
        )
        self.reporter = self._build_reporter(monitor)
        runner = self._build_runner(live, course, groups)
        self.store = StateStore(
            self.directory / STATES_DIR,
            identity_of(
                runner,
                self.controller,
                self._controller_config,
                self.runner.cfg,
                self._data,
            ),
        )
        return Exploration(
            runner, groups, channel, self.controller, self.reporter, self.store
        )

    def _build_reporter(self, monitor: Monitor) -> ExplorationReporter:
        return ExplorationReporter(
            self.runner,
            self.directory,
            self.target,
            self.num_rounds,
            self.controller.num_replicas,
            self.loader.num_iters,
            self.evaluator.metric,
            self._log_interval,
            monitor,
        )

    def _build_runner(
        self, live: LiveReplica, course: Course, groups: ReplicaGroups
    ) -> ReplicaRunner:
        model = compiled_as(self.runner, groups.wrap(live.model))
        return ReplicaRunner(
            replace(live, model=model),
            self.loader.shared(groups.share),
            self.evaluator,
            self.target,
            groups,
            course,
            max_iters=self.max_iters,
            seed=self.seed,
        )

    def _resume(self, exploration: Exploration) -> ExplorationState | None:
        """Go on from the newest state if the run is resumed."""
        state = load_newest(
            self.store, exploration.channel, is_resumed(self.runner)
        )
        if state is not None:
            state.map_snapshots(exploration.runner.live.adopt)
            self.controller.load_state_dict(state.controller)
            self._count(exploration.start_states.rounds_done(state))
            self.reporter.resumed(state)
        return state

    def _count(self, rounds: int) -> None:
        """Set the counters after so many rounds of one training."""
        self._iter = rounds * self.loader.num_iters
        self._epoch = self._iter // self.loader.epoch_length

    def _write_results(
        self,
        live: LiveReplica,
        state: ExplorationState,
        exploration: Exploration,
    ) -> None:
        """Leave the explored model live and write what was found."""
        assert state.best_action is not None
        live.restore(state.start)
        self.target.apply(state.best_action)
        nothing_learned = exploration.channel.from_main(
            lambda: why_nothing_learned(
                self.controller, state.history, self.evaluator.metric.key
            )
        )
        write_results(
            exploration.channel,
            self.runner,
            self.target,
            self.controller,
            self.reporter.provenance(state, nothing_learned),
            with_model=exploration.start_states.explores,
        )
        self.reporter.finished(nothing_learned)


def _check_directory(directory: Any) -> str:
    """Return a folder's name if it is in the work directory."""
    parts = Path(directory).parts if isinstance(directory, str) else ()
    if not parts or '..' in parts or Path(directory).is_absolute():
        raise ValueError(
            '`directory` should name a folder in the work directory. '
            f'Found {directory!r}.'
        )
    return directory


def _seed_of(runner: Any, directory: str) -> int:
    """Return the runner's seed; a resumed one goes on with its states'.

    MMEngine draws one at each start of a config without.
    """
    if is_resumed(runner):
        root = Path(runner.work_dir) / directory / STATES_DIR
        found = [stored_identity(root)]
        dist.broadcast_object_list(found)  # rank 0 has the files
        if found[0] is not None:
            take_over_seed(runner, found[0]['seed'])
    seed: int = runner.seed
    return seed
