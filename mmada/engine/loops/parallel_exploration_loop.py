"""Rounds of exploration: m replicas, one controller, one winner a round."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.optim import OptimWrapperDict
from mmengine.registry import LOOPS, TASK_UTILS
from mmengine.runner import BaseLoop
from torch import nn

from mmada.controllers import Controller
from mmada.engine.live_replica import LiveReplica
from mmada.engine.policy_file import save_policy
from mmada.engine.probe import probe_objectives, unwrap
from mmada.engine.reward_evaluator import RewardEvaluator
from mmada.engine.seeding import derive_seed, preserve_rng
from mmada.engine.segment_loader import SegmentLoader
from mmada.engine.state import RunLock, StateStore

from .exploration import Exploration
from .exploration_reporter import ExplorationReporter
from .exploration_state import ExplorationState


@LOOPS.register_module()
class ParallelExplorationLoop(BaseLoop):
    """Explores loss weights with m replicas and learns a policy.

    In each round every replica starts from the winner of the last one and
    trains the same q batches with weights of its own; the reward data say
    which is best, and the controller learns from all of them. The replicas
    take turns on one live model, so memory does not grow with m. Hooks of
    the run see none of their iterations; `after_exploration_round(runner,
    record)` is called once a round.

    What is done is committed after each segment under
    `work_dir/exploration`; a resumed run goes on from there. At the end
    `work_dir/policy.safetensors` and `work_dir/explored.pth` are written.

    Args:
        runner: The runner.
        dataloader: Training data; its sampler is replaced by segments.
        num_rounds: Number of rounds T.
        controller: Config of a :class:`Controller`.
        reward_dataloader: Data held out of training that feed the rewards.
        reward_evaluator: Metrics on these data.
        reward_metric: Key of the metric that is maximised.
        iters_per_round: Iterations q of a round; None for one epoch.
        log_interval: Iterations between progress lines.
        seed: Seed of the search; None for the runner's.
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
    ) -> None:
        if num_rounds < 1:
            raise ValueError(
                f'`num_rounds` is {num_rounds}; expected at least 1.'
            )
        self.seed = runner.seed if seed is None else seed
        self.loader = SegmentLoader(dataloader, iters_per_round, self.seed)
        super().__init__(runner, self.loader.template)
        self.num_rounds = num_rounds
        self.evaluator = RewardEvaluator(
            reward_dataloader, reward_evaluator, reward_metric, self.seed
        )
        self._controller_config = controller
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
        with RunLock(self.directory):
            exploration = self._prepare(live)
            state = self._resume() or exploration.begin()
            while state.round < self.num_rounds:
                record = exploration.run_round(state)
                self._count(state)
                if record is not None:
                    self.reporter.publish(record, state)
            self._finish(live, state)

    def _prepare(self, live: LiveReplica) -> Exploration:
        """Checks everything that can be checked before a training step."""
        _check_optimization(live, self.loader.num_iters)
        with preserve_rng():
            probe_objectives(
                live.model, live.optim_wrapper, self.loader.segment(0)
            )
            self.evaluator.check(live.model)
        objectives = unwrap(live.model).objectives
        self.controller: Controller = TASK_UTILS.build(
            self._controller_config,
            default_args=dict(
                num_objectives=len(objectives),
                num_rounds=self.num_rounds,
                seed=derive_seed(self.seed, 'controller'),
            ),
        )
        self.store = StateStore(
            self.directory / 'states',
            dict(
                objectives=list(objectives.names),
                num_replicas=self.controller.num_replicas,
                num_rounds=self.num_rounds,
                iters_per_round=self.loader.num_iters,
                controller=_plain(self._controller_config),
                reward_metric=self.evaluator.metric,
                seed=self.seed,
            ),
        )
        self.reporter = ExplorationReporter(
            self.runner,
            objectives.names,
            self.num_rounds,
            self.controller.num_replicas,
            self.loader.num_iters,
            self.evaluator.metric,
            self._log_interval,
        )
        return Exploration(
            live,
            self.loader,
            self.evaluator,
            self.controller,
            self.reporter,
            self.store,
            max_iters=self.max_iters,
            seed=self.seed,
        )

    def _resume(self) -> ExplorationState | None:
        """Loads the newest state if the run is resumed."""
        found = self.store.latest()
        if found is None:
            return None
        if not self.runner._resume:
            raise RuntimeError(
                f'{self.directory} holds an exploration already. Resume it '
                '(--resume), or choose another `work_dir`.'
            )
        state = ExplorationState.from_payload(found[1])
        self.controller.load_state_dict(state.controller)
        self._count(state)
        self.reporter.resumed(state)
        return state

    def _count(self, state: ExplorationState) -> None:
        """Sets the counters that hooks and checkpoints read."""
        self._iter = state.round * self.loader.num_iters
        self._epoch = self._iter // self.loader.epoch_length

    def _finish(self, live: LiveReplica, state: ExplorationState) -> None:
        """Leaves the explored model live and writes model and policy."""
        assert state.best_weights is not None
        live.restore(state.start)
        unwrap(live.model).set_weights(state.best_weights)
        work_dir = Path(self.runner.work_dir)
        save_policy(
            work_dir / 'policy.safetensors',
            self.controller.ensemble().named(
                unwrap(live.model).objectives.names
            ),
            self.reporter.provenance(state),
        )
        self.runner.save_checkpoint(
            str(work_dir),
            'explored.pth',
            save_optimizer=False,
            save_param_scheduler=False,
        )


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
