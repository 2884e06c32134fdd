"""Algorithm 1 in one run: explore, then train a fresh model."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from mmengine.registry import LOOPS
from mmengine.runner import BaseLoop
from torch import nn

from mmada.engine.distributed import Channel
from mmada.engine.live_replica import LiveReplica, Snapshot
from mmada.engine.optimizers import head_rule_of
from mmada.engine.probe import unwrap
from mmada.engine.seeding import derive_seed, seed_all
from mmada.engine.state import StateStore


@LOOPS.register_module()
class ExploreThenTrainLoop(BaseLoop):
    """Explores, then trains a fresh model with the policy that was found.

    The two phases share the config's model, optimizer and schedules. The
    second starts from the very weights that the first started from, and is
    an ordinary training: all hooks fire, its checkpoints are the run's. Add
    a :class:`PolicyWeightingHook` to `custom_hooks` to use the policy.

    Args:
        runner: The runner.
        dataloader: Training data of both phases.
        exploration: Config of the exploration loop; may bring its own
            `dataloader`.
        training: Config of an ordinary training loop.
    """

    def __init__(
        self,
        runner: Any,
        dataloader: dict[str, Any],
        exploration: dict[str, Any],
        training: dict[str, Any],
    ) -> None:
        self.exploration: Any = LOOPS.build(
            exploration,
            default_args=dict(
                runner=runner, dataloader=copy.deepcopy(dataloader)
            ),
        )
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
    def max_epochs(self) -> int:
        """Epochs of the training."""
        return self.training.max_epochs

    @property
    def max_iters(self) -> int:
        """Iterations of the training."""
        return self.training.max_iters

    def run(self) -> nn.Module:
        """Runs both phases, or what is left of them after a resume."""
        if self._iter == 0:
            self._explore()
        self.training._epoch = self._epoch
        self.training._iter = self._iter
        self.runner._train_loop = self.training
        return self.training.run()

    def _explore(self) -> None:
        with self._exploration_scope() as live:
            initial = self._initial(live)
            live.restore(initial)
            self.exploration.explore(live)
            live.restore_model(initial)
            unwrap(live.model).reset_weights()
            live.optim_wrapper.zero_grad(set_to_none=True)
        seed_all(derive_seed(self.exploration.seed, 'training'))
        print_log(
            'Exploration done; training a fresh model with its policy.',
            logger='current',
        )

    def _initial(self, live: LiveReplica) -> Snapshot:
        """Returns the start of both phases, the same after a resume."""
        with contextlib.closing(Channel()) as channel:
            kept: list[Snapshot] = []
            channel.from_main(lambda: kept.append(self._load_or_keep(live)))
            return channel.broadcast(kept.pop() if kept else {}, 0)

    def _load_or_keep(self, live: LiveReplica) -> Snapshot:
        store = StateStore(
            Path(self.runner.work_dir) / 'exploration' / 'initial', {}
        )
        found = store.latest() if self.runner._resume else None
        if found is not None:
            return found[1]
        snapshot = live.capture()
        store.commit(0, snapshot)
        return snapshot

    @contextlib.contextmanager
    def _exploration_scope(self) -> Iterator[LiveReplica]:
        """Gives an optimizer and schedules over the exploration's length."""
        runner = self.runner
        kept = runner.optim_wrapper, runner._train_loop
        rule = head_rule_of(runner.optim_wrapper)
        rule.remove()  # two rules at once would shield the heads twice
        config = copy.deepcopy(runner.cfg)
        runner._train_loop = self.exploration
        runner.optim_wrapper = runner.build_optim_wrapper(config.optim_wrapper)
        try:
            runner.scale_lr(runner.optim_wrapper, runner.auto_scale_lr)
            schedulers = config.get('param_scheduler')
            yield LiveReplica(
                runner.model,
                runner.optim_wrapper,
                runner.build_param_scheduler(schedulers) if schedulers else [],
            )
        finally:
            head_rule_of(runner.optim_wrapper).remove()
            rule.attach()
            runner.optim_wrapper, runner._train_loop = kept
