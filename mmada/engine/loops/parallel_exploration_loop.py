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
from mmada.engine.durable_backend import DURABLE
from mmada.engine.live_replica import LiveReplica
from mmada.engine.replica_runner import ReplicaRunner
from mmada.engine.reward_evaluator import RewardEvaluator
from mmada.engine.seeding import derive_seed, preserve_rng
from mmada.engine.segment_loader import SegmentLoader
from mmada.engine.state import RunLock, StateStore, failpoint
from mmada.engine.state.atomic import remove_leftovers
from mmada.engine.targets import Target

from .checks import check_optimization, controller_class, plain_config
from .exploration import Exploration
from .exploration_reporter import ExplorationReporter
from .exploration_state import ExplorationState
from .succession import SUCCESSIONS

STATE_LAYOUT = 2  # raise it when ExplorationState changes
EXPLORED = 'explored.pth'


@LOOPS.register_module()
class ParallelExplorationLoop(BaseLoop):
    """Searches with m replicas for what makes a training better.

    In each round every replica trains the same q batches with an action of
    its own, such as loss weights; the reward data say which is best, and
    the controller learns from all of them. A replica starts from the winner
    of the last round, or always anew, as the controller wants. The replicas
    take turns on one live model a rank, so memory does not grow with m, and
    the result does not depend on the number of ranks. Hooks of the run see
    none of their iterations; `after_exploration_round(runner, record)` is
    called once a round.

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
        reward_metric: Key of the metric that is maximised.
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

    def __init__(
        self,
        runner: Any,
        dataloader: dict[str, Any],
        num_rounds: int,
        controller: dict[str, Any],
        reward_dataloader: dict[str, Any],
        reward_evaluator: dict[str, Any] | list[dict[str, Any]],
        reward_metric: str = 'coco_panoptic/PQ',
        target: dict[str, Any] | None = None,
        iters_per_round: int | None = None,
        log_interval: int = 50,
        seed: int | None = None,
        ranks_per_replica: int | None = None,
        replica_timeout: float = 12 * 3600,
        directory: str = 'exploration',
    ) -> None:
        if num_rounds < 1:
            raise ValueError(
                f'`num_rounds` is {num_rounds}; expected at least 1.'
            )
        if not replica_timeout > 0:
            raise ValueError(
                f'`replica_timeout` is {replica_timeout}; expected a '
                'positive number of seconds.'
            )
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
        self._succession = SUCCESSIONS[
            controller_class(controller, self.target).start
        ]
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
        """Iterations of the schedule: T * q of one training in rounds."""
        return self._succession.length(self.num_rounds, self.loader.num_iters)

    @property
    def max_epochs(self) -> int:
        """Epochs of the committed trajectory, rounded up."""
        return -(-self.max_iters // self.loader.epoch_length)

    @property
    def directory(self) -> Path:
        """Where the states of the exploration are."""
        return Path(self.runner.work_dir) / self._directory

    def run(self) -> nn.Module:
        """Explores with the runner's own optimizer and schedulers."""
        self.runner.call_hook('before_train')
        self.explore(
            LiveReplica(
                self.runner.model,
                self.runner.optim_wrapper,
                self.runner.param_schedulers or [],
            )
        )
        self.runner.call_hook('after_train')
        return self.runner.model

    def explore(self, live: LiveReplica) -> None:
        """Runs the rounds that are not done yet and writes what was found.

        Args:
            live: Model, optimizer and schedulers at the schedule's start.
        """
        with contextlib.ExitStack() as stack:
            channel = Channel(self._replica_timeout)
            stack.callback(channel.close)
            channel.from_main(lambda: self._lock(stack))
            self.controller = self._meet(live)
            groups = ReplicaGroups(
                self.controller.num_replicas, self._ranks_per_replica
            )
            stack.callback(groups.close)
            exploration = self._prepare(live, groups, channel)
            state = self._resume(channel) or exploration.begin()
            while state.round < self.num_rounds:
                record = exploration.run_round(state)
                self._count(state)
                if record is not None:
                    self.reporter.publish(record, state)
            self._finish(live, state, channel)

    def conclude(self) -> None:
        """Makes the runner's model ready for what follows the search."""
        self.target.conclude(Path(self.runner.work_dir), self.runner.model)

    def _lock(self, stack: contextlib.ExitStack) -> None:
        stack.enter_context(RunLock(self.directory))

    def _meet(self, live: LiveReplica) -> Controller:
        """Looks at the model and builds what searches.

        All ranks look at the same batches, so that they see the same.
        """
        check_optimization(live, self.loader.num_iters)
        loader = self.loader.shared(Share(0, self._ranks_per_replica or 1))
        with preserve_rng():
            self.target.meet(live, loader.segment(0))
        return TASK_UTILS.build(
            self._controller_config,
            default_args=dict(
                **self.target.controller_arguments,
                num_rounds=self.num_rounds,
                seed=derive_seed(self.seed, 'controller'),
            ),
        )

    def _prepare(
        self, live: LiveReplica, groups: ReplicaGroups, channel: Channel
    ) -> Exploration:
        """Builds what plays the rounds and checks the reward."""
        if channel.size > 1:
            refuse_world_bound(live.model)
        with groups.scope(), preserve_rng():
            self.evaluator = RewardEvaluator(*self._reward)
            self.evaluator.check(live.model)
        self.store = StateStore(self.directory / 'states', self._identity())
        self.reporter = ExplorationReporter(
            self.runner,
            self.directory,
            self.target,
            self.num_rounds,
            self.controller.num_replicas,
            self.loader.num_iters,
            self.evaluator.metric,
            self._log_interval,
        )
        player = ReplicaRunner(
            LiveReplica(
                groups.wrap(live.model), live.optim_wrapper, live.schedulers
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

    def _identity(self) -> dict[str, Any]:
        """Returns what a resumed run must have in common with this one."""
        return dict(
            state_layout=STATE_LAYOUT,
            **{self.target.record_keys[0]: list(self.target.names)},
            num_replicas=self.controller.num_replicas,
            num_rounds=self.num_rounds,
            iters_per_round=self.loader.num_iters,
            batch_size=self.loader.batch_size,
            controller=plain_config(self._controller_config),
            reward_metric=self.evaluator.metric,
            seed=self.seed,
        )

    def _resume(self, channel: Channel) -> ExplorationState | None:
        """Loads the newest state if the run is resumed."""
        loaded: list[dict[str, Any]] = []

        def load() -> bool:
            found = self.store.latest()
            if found is None:
                return False
            if not self.runner._resume:
                raise RuntimeError(
                    f'{self.directory} holds an exploration already. Resume '
                    'it (--resume), or choose another `work_dir`.'
                )
            loaded.append(found[1])
            return True

        if not channel.from_main(load):
            return None
        state = ExplorationState.from_payload(
            channel.broadcast(loaded.pop() if loaded else {}, 0)
        )
        failpoint('explore.inside_resume')
        self.controller.load_state_dict(state.controller)
        self._count(state)
        self.reporter.resumed(state)
        return state

    def _count(self, state: ExplorationState) -> None:
        """Sets the counters that hooks and checkpoints read."""
        self._iter = self._succession.first_iter(
            state.round, self.loader.num_iters
        )
        self._epoch = self._iter // self.loader.epoch_length

    def _finish(
        self, live: LiveReplica, state: ExplorationState, channel: Channel
    ) -> None:
        """Leaves the explored model live and writes what was found."""
        assert state.best_action is not None
        live.restore(state.start)
        self.target.apply(state.best_action)
        failpoint('explore.before_policy')
        channel.from_main(lambda: self._write(state))
        failpoint('explore.after_policy')

    def _write(self, state: ExplorationState) -> None:
        """Writes the model, then what was found: with it both are there."""
        work_dir = Path(self.runner.work_dir)
        found = work_dir, self.controller, self.reporter.provenance(state)
        remove_leftovers(work_dir)
        whole = not self._succession.keeps_best
        whole = whole or (work_dir / EXPLORED).exists()
        if whole and self.target.is_saved(*found):
            return  # a finished run that was resumed
        if self._succession.keeps_best:
            self.runner.save_checkpoint(
                str(work_dir),
                EXPLORED,
                save_optimizer=False,
                save_param_scheduler=False,
                backend_args=dict(backend=DURABLE),
            )
        self.target.save(*found)
