"""What a plan is made from: a config, built as a run would build it."""

from __future__ import annotations

import bisect
import contextlib
import copy
import itertools
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.hooks import CheckpointHook
from mmengine.registry import LOOPS, init_default_scope
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import nn
from torch.utils.data import DataLoader

from mmada.diagnostics.plan.bill import Rates, Search, Sizes, Training
from mmada.diagnostics.plan.replay import replay
from mmada.diagnostics.reward.loading import by_part
from mmada.engine.hooks.weighting_hook import WeightingHook
from mmada.engine.loops import (
    ExploreThenTrainLoop,
    ParallelExplorationLoop,
    search_configs,
)
from mmada.engine.loops.config_checks import check_schedules
from mmada.engine.mmengine_adapters import set_train_loop
from mmada.engine.optimizers import remove_head_rule
from mmada.engine.quiet import quiet
from mmada.engine.replicas.course import Course
from mmada.engine.replicas.live_replica import LiveReplica
from mmada.engine.replicas.replica_hooks import check_hooks
from mmada.engine.reward import RewardEvaluator
from mmada.engine.state.payload import payload_size

DRAWS = 5
"""Replays of a search, each with other scores."""
IMAGES = 2
"""Of a batch that is looked at or timed: a replica's may be for many GPUs."""
TIMED = 3
"""Batches that are timed, after one that is not."""

SEARCHES = (ParallelExplorationLoop, ExploreThenTrainLoop)


def read_plan(
    cfg: Config, probe: bool
) -> tuple[list[Search], Training | None, Rates | None]:
    """Build a config, count what it runs, and leave nothing behind.

    What the config would write goes to a temporary directory, and what it
    would print to the standard error. No training step is done but those
    that are timed.

    Args:
        cfg: Of a search, alone or with a training after it; changed in place.
        probe: Whether to time a few iterations and evaluated images.

    Returns:
        The searches in order, the training after them, and the times if they
        were asked for.

    Raises:
        ValueError: If it is no search, or one that would be refused.
    """
    check_search(cfg)
    with (
        contextlib.redirect_stdout(sys.stderr),
        tempfile.TemporaryDirectory() as work_dir,
    ):
        ranks = _take_ranks(cfg)
        runner = _build_runner(cfg, work_dir)
        check_hooks(runner)
        _tell_frozen(runner.model)
        loop: Any = runner.train_loop
        follows = isinstance(loop, ExploreThenTrainLoop)
        loops = loop.explorations if follows else [loop]
        searches, rates = [], None
        for exploration, together in zip(loops, ranks, strict=True):
            with _live(runner, exploration) as (live, course):
                if follows:
                    check_schedules(live.schedulers, loop.training)
                reader = _Reader(exploration, live, course)
                searches.append(reader.search(together, follows, probe))
                if probe and rates is None:
                    rates = reader.rates()
        set_train_loop(runner, loop)
        training = None
        if follows:
            training = _training(runner, loop.training, searches[-1].looks)
    return searches, training, rates


def check_search(cfg: Config) -> None:
    """Check that a config searches.

    Raises:
        ValueError: If it does not.
    """
    init_default_scope(cfg.get('default_scope', 'mmdet'))
    kind = (cfg.get('train_cfg') or {}).get('type')
    found = LOOPS.get(kind) if isinstance(kind, str) else kind
    if found not in SEARCHES:
        names = ' or '.join(loop.__name__ for loop in SEARCHES)
        raise ValueError(
            f'`train_cfg.type` should be {names}, which search. Found '
            f'{kind!r}. A training without a search costs one training, and '
            'needs no plan.'
        )


def _take_ranks(cfg: Config) -> list[int | None]:
    """Take what a plan must not use from the searches of a config.

    Returns:
        `ranks_per_replica` of each: this process is one rank.
    """
    configs = search_configs(cfg.train_cfg)
    for config in configs:
        # A database that a run would keep its trials in.
        config.controller.pop('storage', None)
    return [config.pop('ranks_per_replica', None) for config in configs]


def _build_runner(cfg: Config, work_dir: str) -> Runner:
    cfg.merge_from_dict(dict(work_dir=work_dir, resume=False))
    cfg.update(
        launcher='none',
        load_from=None,
        log_level='WARNING',
        visualizer=None,
        experiment_name=Path(work_dir).name,
    )
    runner = Runner.from_cfg(cfg)
    set_train_loop(runner, runner.build_train_loop(cfg.train_cfg))
    return runner


def _tell_frozen(model: nn.Module) -> None:
    """Print how many parameters of each part are not trained."""
    names = [n for n, p in model.named_parameters() if not p.requires_grad]
    if names:
        print(f'Frozen: {len(names)} parameter(s), of {by_part(names)}.')


@contextlib.contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """Let no parameter have a gradient."""
    trainable = [p for p in module.parameters() if p.requires_grad]
    for parameter in trainable:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)


@contextlib.contextmanager
def _live(
    runner: Runner, exploration: Any
) -> Iterator[tuple[LiveReplica, Course]]:
    """Give the live replica of a search, which has taken no step."""
    set_train_loop(runner, exploration)
    cfg = copy.deepcopy(runner.cfg)
    with quiet(logging.ERROR):  # a line for each frozen parameter
        runner.optim_wrapper = runner.build_optim_wrapper(cfg.optim_wrapper)
    configs = cfg.get('param_scheduler')
    schedulers = runner.build_param_scheduler(configs) if configs else []
    course = Course(runner, exploration.loader)
    try:
        yield (
            LiveReplica(
                runner.model,
                runner.optim_wrapper,
                schedulers,
                course.attributes,
            ),
            course,
        )
    finally:
        remove_head_rule(runner.optim_wrapper)


class _Reader:
    """Counts one search.

    Args:
        exploration: Its loop.
        live: Before any step.
        course: Counters and hooks of its replicas.
    """

    def __init__(
        self,
        exploration: ParallelExplorationLoop,
        live: LiveReplica,
        course: Course,
    ) -> None:
        self._loop = exploration
        self._live = live
        self._course = course
        self._evaluator: RewardEvaluator = exploration.build_evaluator()

    def search(self, ranks: int | None, follows: bool, trains: bool) -> Search:
        """Count what the search runs.

        Args:
            ranks: Ranks of a replica, as configured.
            follows: Whether a training follows.
            trains: Whether the model will be trained, for :meth:`rates`.
        """
        batches = _Counted(self._batches())
        # Which gradients reach what costs a backward pass for each objective
        # and is not counted.
        with nullcontext() if trains else _frozen(self._live.module):
            controller = self._loop.build_controller(
                self._live, self._course, batches
            )
        loader, reward = self._loop.loader, self._evaluator.dataloader
        images = len(reward.dataset)
        losses = torch.ones_like(self._loop.target.meter().mean())
        return Search(
            name=self._loop.directory.name,
            controller=type(controller).__name__,
            start=controller.start,
            num_replicas=controller.num_replicas,
            ranks_per_replica=ranks,
            num_iters=loader.num_iters,
            batch_size=loader.batch_size,
            reward_images=images,
            checked_images=min(reward.batch_size or 1, images),
            looks=batches.count,
            scores_start=controller.first_reference == 'start',
            schedule=self._loop.max_iters,
            keeps_initial=follows,
            sizes=self._sizes(),
            draws=list(replay(controller, losses, DRAWS)),
            share=loader.shared,
        )

    def rates(self) -> Rates:
        """Time a few small batches; the model is trained with them."""
        model, optim_wrapper = self._live.model, self._live.optim_wrapper
        batches: Iterable[Any] = self._batches()

        def train(batch: Any) -> int:
            model.train()
            model.train_step(batch, optim_wrapper)
            return IMAGES

        def evaluate(batch: Any) -> int:
            model.eval()
            with torch.no_grad():
                return len(model.val_step(batch))

        with self._course.look(0):
            trained = _seconds(train, batches)
            evaluated = _seconds(evaluate, self._evaluator.dataloader)
        return Rates(trained, evaluated)

    def _batches(self) -> DataLoader:
        """Return the first batches, cut to a few images."""
        segment = self._loop.loader.segment(0)
        whole = itertools.cycle(segment.batch_sampler or ())
        few = [b[:IMAGES] for b in itertools.islice(whole, TIMED + 1)]
        return DataLoader(
            segment.dataset, batch_sampler=few, collate_fn=segment.collate_fn
        )

    def _sizes(self) -> Sizes:
        """Measure snapshots, the second one after a step of no effect."""
        wrapper, module = self._live.optim_wrapper, self._live.module
        new = payload_size(self._live.capture())
        trainable = [p for p in module.parameters() if p.requires_grad]
        for parameter in trainable:
            parameter.grad = torch.zeros_like(parameter)
        wrapper.optimizer.step()
        wrapper.zero_grad(set_to_none=True)
        return Sizes(
            new,
            payload_size(self._live.capture()),
            sum(p.numel() * p.element_size() for p in trainable),
        )


class _Counted:
    """Batches, and how many of them were taken."""

    def __init__(self, batches: Iterable[Any]) -> None:
        self._batches = batches
        self.count = 0

    def __iter__(self) -> Iterator[Any]:
        for batch in self._batches:
            self.count += 1
            yield batch


def _seconds(play: Callable[[Any], int], batches: Iterable[Any]) -> float:
    """Return the time of an image, loading included, the first batch not."""
    images, began = 0, 0.0
    for number, batch in enumerate(
        itertools.islice(itertools.cycle(batches), TIMED + 1)
    ):
        found = play(batch)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        if number == 0:
            began = time.perf_counter()
            images = -found
        images += found
    return (time.perf_counter() - began) / max(images, 1)


def _training(runner: Runner, loop: Any, looks: int) -> Training:
    """Count the training that follows.

    Args:
        runner: With its hooks.
        loop: Of the training.
        looks: Forward passes of a look at the model.
    """
    by_epoch = isinstance(loop, EpochBasedTrainLoop)
    length = loop.max_epochs if by_epoch else loop.max_iters
    loader = loop.dataloader
    per_rank = loader.batch_size or getattr(
        loader.batch_sampler, 'batch_size', 1
    )
    validations = _validations(loop, length) if runner.val_loop else 0
    return Training(
        by_epoch=by_epoch,
        length=length,
        epoch_length=len(loader) if by_epoch else 0,
        batch_size=per_rank,
        validations=validations,
        validation_images=(
            len(runner.val_loop.dataloader.dataset) if validations else 0
        ),
        looks=looks * sum(isinstance(h, WeightingHook) for h in runner.hooks),
        checkpoints=sum(
            _checkpoints(hook, length, by_epoch)
            for hook in runner.hooks
            if isinstance(hook, CheckpointHook)
        ),
    )


def _validations(loop: Any, length: int) -> int:
    """Count when MMEngine's loops validate."""

    def interval(step: int) -> int:
        index = bisect.bisect(loop.dynamic_milestones, step + 1)
        return loop.dynamic_intervals[index - 1]

    return sum(
        step >= loop.val_begin
        and (step % interval(step) == 0 or step == length)
        for step in range(1, length + 1)
    )


def _checkpoints(hook: CheckpointHook, length: int, by_epoch: bool) -> int:
    """Count the checkpoints that are there at the end, with the best one."""
    saved = 0
    if hook.interval > 0 and hook.by_epoch == by_epoch:
        saved = length // hook.interval
        saved += bool(hook.save_last and length % hook.interval)
    if hook.max_keep_ckpts > 0:
        saved = min(saved, hook.max_keep_ckpts)
    best = hook.save_best or []
    return saved + (1 if isinstance(best, str) else len(best))
