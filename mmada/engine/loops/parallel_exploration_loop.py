"""Rounds of exploration: m replicas, one controller, one winner a round."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from mmengine.registry import LOOPS, TASK_UTILS
from mmengine.runner import BaseLoop
from torch import nn

from mmada.controllers import Controller
from mmada.engine.distributed import (
    Channel,
    ReplicaGroups,
    Share,
    refuse_world_bound,
)
from mmada.engine.exploration.exploration import Exploration
from mmada.engine.exploration.replica_runner import ReplicaRunner
from mmada.engine.exploration.reporter import ExplorationReporter
from mmada.engine.exploration.results import write_found
from mmada.engine.exploration.state import (
    ExplorationState,
    identity_of,
    load_newest,
)
from mmada.engine.exploration.targets import Target
from mmada.engine.loops.config_checks import (
    check_length,
    check_optimization,
    controller_class,
    refuse_averages,
    refuse_scaled_rate,
)
from mmada.engine.mmengine_adapters import is_resumed
from mmada.engine.monitor import Monitor
from mmada.engine.replicas.live_replica import LiveReplica
from mmada.engine.replicas.segment_loader import SegmentLoader
from mmada.engine.reward import RewardEvaluator, RewardMetric
from mmada.engine.state import RunLock, StateStore
from mmada.engine.training_features import compiled_as, prepare_features
from mmada.utils.files import remove_leftovers
from mmada.utils.run_files import EXPLORATION_DIR, STATES_DIR
from mmada.utils.seeding import derive_seed, preserve_rng

# ~~ search_loop: What a search is told, and where it is in its schedule.


class SearchLoop(BaseLoop):
    """Base of the loop that explores: its options and its counters.

    Hooks and checkpoints read the counters as those of an ordinary training.

    The arguments are those of :class:`ParallelExplorationLoop`.

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
    ) -> None:
        check_length(num_rounds, replica_timeout)
        self.reward_metric = RewardMetric(reward_metric)
        self.seed = runner.seed if seed is None else seed
        self.loader = SegmentLoader(dataloader, iters_per_round, self.seed)
        super().__init__(runner, self.loader.template)
        self.num_rounds = num_rounds
        self._reward = (
            reward_dataloader,
            reward_evaluator,
            reward_metric,
            self.seed,
        )
        self.target: Target = TASK_UTILS.build(
            target or dict(type='LossWeights')
        )
        self._controller_config = controller
        self._training_rounds = controller_class(
            controller, self.target
        ).training_rounds(num_rounds, controller)
        self._directory = directory
        self._ranks_per_replica = ranks_per_replica
        self._replica_timeout = replica_timeout
        self._log_interval = log_interval
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

    def _count(self, rounds: int) -> None:
        """Set the counters after so many rounds of one training."""
        self._iter = rounds * self.loader.num_iters
        self._epoch = self._iter // self.loader.epoch_length


# ~~ meeting: The first look at a model, and the controller that suits it.


def build_controller(
    config: dict[str, Any],
    target: Target,
    live: LiveReplica,
    loader: SegmentLoader,
    ranks_per_replica: int,
    num_rounds: int,
) -> Controller:
    """Look at the model and build what searches.

    All ranks look at the same batches, so that they see the same.

    Args:
        config: Of the controller.
        target: Meets the model.
        live: Before any training step.
        loader: Of the training data; knows the run's seed.
        ranks_per_replica: Ranks that train one replica together.
        num_rounds: T.
    """
    check_optimization(live, loader.num_iters)
    batches = loader.shared(Share(0, ranks_per_replica)).segment(0)
    with preserve_rng():
        target.meet(live, batches)
    return TASK_UTILS.build(
        config,
        default_args=dict(
            **target.controller_arguments,
            num_rounds=num_rounds,
            seed=derive_seed(loader.seed, 'controller'),
        ),
    )


@LOOPS.register_module()
class ParallelExplorationLoop(SearchLoop):
    """Searches with m replicas for what makes a training better.

    In each round every replica trains the same q batches with an action of
    its own, such as loss weights; the reward data say which is best, and
    the controller learns from all of them. A replica starts from the winner
    of the last round, always anew, or from its own state, as the controller
    wants, or rests. The replicas take turns on one live model a rank, so an
    accelerator's memory does not grow with m, and the result does not depend
    on the number of ranks. Hooks of the run see none of their iterations;
    `after_exploration_round(runner, record)` is called once a round.

    What is done is committed after each wave of replicas under
    `work_dir/exploration`; a resumed run goes on from there. At the end
    the target writes what was found (`policy.safetensors`), and the winner
    of the last round is written to `explored.pth` if rounds pass it on.

    Args:
        runner: The runner.
        dataloader: Training data; its sampler is replaced by segments, and
            its `batch_size` is that of one replica.
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
        seed: Seed of the search; None for the runner's.
        ranks_per_replica: Ranks W' that train one replica together, each a
            W'-th of its batch; None for max(1, W // m) of W ranks.
        replica_timeout: Seconds that a rank may keep the others waiting
            before they give the run up.
        directory: Where in the work directory the states and the history
            are; searches of one run need different ones.
    """

    def run(self) -> nn.Module:
        """Explore with the runner's own optimizer and schedulers."""
        refuse_averages(self.runner)
        refuse_scaled_rate(self.runner)
        with Monitor(self.runner) as monitor:
            self.runner.call_hook('before_train')
            self.explore(
                LiveReplica(
                    self.runner.model,
                    self.runner.optim_wrapper,
                    self.runner.param_schedulers or [],
                ),
                monitor,
            )
            self.runner.call_hook('after_train')
        return self.runner.model

    def explore(self, live: LiveReplica, monitor: Monitor) -> None:
        """Run the rounds that are not done yet and write what was found.

        Args:
            live: Model, optimizer and schedulers at the schedule's start.
            monitor: Shows where the run is.
        """
        prepare_features(self.runner)
        with contextlib.ExitStack() as stack:
            channel = Channel(self._replica_timeout)
            stack.callback(channel.close)
            channel.from_main(lambda: self._lock(stack))
            monitor.begin()
            self.controller = build_controller(
                self._controller_config,
                self.target,
                live,
                self.loader,
                self._ranks_per_replica or 1,
                self.num_rounds,
            )
            groups = ReplicaGroups(
                self.controller.num_replicas, self._ranks_per_replica
            )
            stack.callback(groups.close)
            exploration = self._prepare(live, groups, channel, monitor)
            state = self._resume(channel, exploration) or exploration.begin()
            self.reporter.rounds()
            while not exploration.is_over(state):
                record = exploration.run_round(state)
                self._count(exploration.succession.rounds_done(state))
                if record is not None:
                    self.reporter.publish(record, state)
            self._finish(live, state, exploration)

    def conclude(self) -> None:
        """Make the runner's model ready for what follows the search."""
        self.target.conclude(Path(self.runner.work_dir), self.runner.model)

    def _lock(self, stack: contextlib.ExitStack) -> None:
        stack.enter_context(RunLock(self.directory))
        remove_leftovers(self.directory)

    def _prepare(
        self,
        live: LiveReplica,
        groups: ReplicaGroups,
        channel: Channel,
        monitor: Monitor,
    ) -> Exploration:
        """Build what plays the rounds and check the reward."""
        if channel.size > 1:
            refuse_world_bound(live.model)
        with groups.scope(), preserve_rng():
            self.evaluator = RewardEvaluator(*self._reward)
            self.evaluator.check(live.model)
        self.store = StateStore(
            self.directory / STATES_DIR,
            identity_of(
                self.target,
                self.loader,
                self._controller_config,
                self.controller.num_replicas,
                self.num_rounds,
                self.evaluator.metric.config,
                self.seed,
            ),
        )
        self.reporter = ExplorationReporter(
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
        player = ReplicaRunner(
            LiveReplica(
                compiled_as(self.runner, groups.wrap(live.model)),
                live.optim_wrapper,
                live.schedulers,
            ),
            self.loader.shared(groups.share),
            self.evaluator,
            self.target,
            groups,
            max_iters=self.max_iters,
            seed=self.seed,
        )
        return Exploration(
            player,
            groups,
            channel,
            self.controller,
            self.reporter,
            self.store,
        )

    def _resume(
        self, channel: Channel, exploration: Exploration
    ) -> ExplorationState | None:
        """Go on from the newest state if the run is resumed."""
        state = load_newest(self.store, channel, is_resumed(self.runner))
        if state is not None:
            self.controller.load_state_dict(state.controller)
            self._count(exploration.succession.rounds_done(state))
            self.reporter.resumed(state)
        return state

    def _finish(
        self,
        live: LiveReplica,
        state: ExplorationState,
        exploration: Exploration,
    ) -> None:
        """Leave the explored model live and write what was found."""
        assert state.best_action is not None
        live.restore(state.start)
        self.target.apply(state.best_action)
        write_found(
            exploration.channel,
            self.runner,
            self.target,
            self.controller,
            self.reporter.provenance(state),
            with_model=exploration.succession.explores,
        )
