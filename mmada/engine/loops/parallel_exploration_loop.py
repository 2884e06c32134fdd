"""Rounds of exploration: m replicas, one controller, one winner a round."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from mmengine.optim import OptimWrapperDict
from mmengine.registry import LOOPS, TASK_UTILS
from mmengine.runner import BaseLoop
from torch import nn

from mmada.controllers import WeightController
from mmada.engine.distributed import (
    Channel,
    ReplicaGroups,
    Share,
    refuse_world_bound,
)
from mmada.engine.durable_backend import DURABLE
from mmada.engine.live_replica import LiveReplica
from mmada.engine.policy_file import holds_policy, save_policy
from mmada.engine.probe import probe_objectives, unwrap
from mmada.engine.replica_runner import ReplicaRunner
from mmada.engine.reward_evaluator import RewardEvaluator
from mmada.engine.seeding import derive_seed, preserve_rng
from mmada.engine.segment_loader import SegmentLoader
from mmada.engine.state import RunLock, StateStore, failpoint
from mmada.engine.state.atomic import remove_leftovers

from .exploration import Exploration
from .exploration_reporter import ExplorationReporter
from .exploration_state import ExplorationState

STATE_LAYOUT = 2  # raise it when ExplorationState changes
EXPLORED = 'explored.pth'


@LOOPS.register_module()
class ParallelExplorationLoop(BaseLoop):
    """Explores loss weights with m replicas and learns a policy.

    In each round every replica starts from the winner of the last one and
    trains the same q batches with weights of its own; the reward data say
    which is best, and the controller learns from all of them. The replicas
    take turns on one live model a rank, so memory does not grow with m, and
    the result does not depend on the number of ranks. Hooks of the run see
    none of their iterations; `after_exploration_round(runner, record)` is
    called once a round.

    What is done is committed after each wave of replicas under
    `work_dir/exploration`; a resumed run goes on from there. At the end
    `work_dir/policy.safetensors` and `work_dir/explored.pth` are written.

    Args:
        runner: The runner.
        dataloader: Training data; its sampler is replaced by segments, and
            its `batch_size` is that of one replica.
        num_rounds: Number of rounds T.
        controller: Config of a :class:`WeightController`.
        reward_dataloader: Data held out of training that feed the rewards.
        reward_evaluator: Metrics on these data.
        reward_metric: Key of the metric that is maximised.
        iters_per_round: Iterations q of a round; None for one epoch.
        log_interval: Iterations between progress lines.
        seed: Seed of the search; None for the runner's.
        ranks_per_replica: Ranks W' that train one replica together, each a
            W'-th of its batch; None for max(1, W // m) of W ranks.
        replica_timeout: Seconds that a rank may keep the others waiting
            before they give the run up.
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
        iters_per_round: int | None = None,
        log_interval: int = 50,
        seed: int | None = None,
        ranks_per_replica: int | None = None,
        replica_timeout: float = 12 * 3600,
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
        self._controller_config = controller
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
        """Iterations T * q of the committed trajectory."""
        return self.num_rounds * self.loader.num_iters

    @property
    def max_epochs(self) -> int:
        """Epochs of the committed trajectory, rounded up."""
        return -(-self.max_iters // self.loader.epoch_length)

    @property
    def directory(self) -> Path:
        """Where the states of the exploration are."""
        return Path(self.runner.work_dir) / 'exploration'

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

    def _lock(self, stack: contextlib.ExitStack) -> None:
        stack.enter_context(RunLock(self.directory))

    def _meet(self, live: LiveReplica) -> WeightController:
        """Learns which objectives there are and who owns what.

        All ranks look at the same batches, so that they see the same.
        """
        _check_optimization(live, self.loader.num_iters)
        loader = self.loader.shared(Share(0, self._ranks_per_replica or 1))
        with preserve_rng():
            probe_objectives(live.model, live.optim_wrapper, loader.segment(0))
        return TASK_UTILS.build(
            self._controller_config,
            default_args=dict(
                num_objectives=len(unwrap(live.model).objectives),
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
        objectives = unwrap(live.model).objectives
        self.store = StateStore(self.directory / 'states', self._identity())
        self.reporter = ExplorationReporter(
            self.runner,
            objectives.names,
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
            objectives=list(unwrap(self.runner.model).objectives.names),
            num_replicas=self.controller.num_replicas,
            num_rounds=self.num_rounds,
            iters_per_round=self.loader.num_iters,
            batch_size=self.loader.batch_size,
            controller=_plain(self._controller_config),
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
        self._iter = state.round * self.loader.num_iters
        self._epoch = self._iter // self.loader.epoch_length

    def _finish(
        self, live: LiveReplica, state: ExplorationState, channel: Channel
    ) -> None:
        """Leaves the explored model live and writes model and policy."""
        assert state.best_weights is not None
        live.restore(state.start)
        unwrap(live.model).set_weights(state.best_weights)
        failpoint('explore.before_policy')
        channel.from_main(lambda: self._write(state))
        failpoint('explore.after_policy')

    def _write(self, state: ExplorationState) -> None:
        """Writes the model, then the policy: with it both are there."""
        work_dir = Path(self.runner.work_dir)
        path, model = work_dir / 'policy.safetensors', work_dir / EXPLORED
        ensemble = self.controller.ensemble().named(
            unwrap(self.runner.model).objectives.names
        )
        provenance = self.reporter.provenance(state)
        remove_leftovers(work_dir)
        if model.exists() and holds_policy(path, ensemble, provenance):
            return  # a finished run that was resumed
        self.runner.save_checkpoint(
            str(work_dir),
            EXPLORED,
            save_optimizer=False,
            save_param_scheduler=False,
            backend_args=dict(backend=DURABLE),
        )
        save_policy(path, ensemble, provenance)


def _check_optimization(live: LiveReplica, num_iters: int) -> None:
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
    counts = live.optim_wrapper._accumulative_counts
    if num_iters % counts:
        raise ValueError(
            f'`optim_wrapper.accumulative_counts` is {counts}; expected a '
            f'divisor of the {num_iters} iterations of a round.'
        )


def _plain(config: Any) -> Any:
    """Turns a config into JSON values."""
    if isinstance(config, dict):
        return {str(k): _plain(v) for k, v in config.items()}
    if isinstance(config, (list, tuple)):
        return [_plain(v) for v in config]
    return config
