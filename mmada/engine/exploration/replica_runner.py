"""Trains and scores one replica on this rank, whatever happens to it."""

from __future__ import annotations

import gc
import time
import traceback
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from mmada.engine.distributed import ReplicaGroups
from mmada.engine.exploration.targets import Target
from mmada.engine.preemption import stop_on_sigterm
from mmada.engine.replicas.course import Course
from mmada.engine.replicas.live_replica import KeptSnapshot, LiveReplica
from mmada.engine.replicas.segment import NotFiniteError, train_segment
from mmada.engine.replicas.segment_loader import SegmentLoader
from mmada.engine.reward import RewardEvaluator, Score
from mmada.utils.files import failpoint
from mmada.utils.seeding import derive_seed


class Outcome(NamedTuple):
    """What became of one replica's segment.

    Attributes:
        metrics: Metrics on the reward data, empty if it diverged.
        losses: Mean raw losses, n numbers, empty if it diverged.
        value: The reward metric; None if there is none or it is not finite.
        resamples: The same on resampled images; None if not asked for.
        seconds: Time it took.
        error: Traceback of what was raised, else ''.
        out_of_memory: Whether that was the accelerator's memory.
        diverged: What was not finite in the training, else ''.
    """

    metrics: dict[str, float] = {}
    losses: tuple[float, ...] = ()
    value: float | None = None
    resamples: list[float] | None = None
    seconds: float = 0.0
    error: str = ''
    out_of_memory: bool = False
    diverged: str = ''


class ReplicaRunner:
    """Plays replicas on the live model of this rank.

    Args:
        live: The live model, its optimizer and schedulers.
        loader: Batches of each segment.
        evaluator: Scores a replica.
        target: What an action is applied to.
        groups: Which ranks train together.
        course: Counters and hooks of the replica's training.
        max_iters: Iterations of the whole schedule.
        seed: The run's seed.
    """

    def __init__(
        self,
        live: LiveReplica,
        loader: SegmentLoader,
        evaluator: RewardEvaluator,
        target: Target,
        groups: ReplicaGroups,
        course: Course,
        *,
        max_iters: int,
        seed: int,
    ) -> None:
        self.live = live
        self.loader = loader
        self.evaluator = evaluator
        self.target = target
        self.groups = groups
        self.course = course
        self.max_iters = max_iters
        self.seed = seed

    def run(
        self,
        start: KeptSnapshot,
        action: Tensor,
        segment: int,
        first_iter: int,
        on_iteration: Callable[[int], None] = lambda done: None,
    ) -> Outcome:
        """Train one segment from a snapshot and score the live model.

        An exception is returned, not raised, for a replica of one rank, so
        that the others learn of it. Where several ranks train a replica the
        others are inside a collective and cannot: there it is raised, which
        ends the run.

        Args:
            start: What the replica starts from.
            action: Its action, shape (action_size,).
            segment: Number of the segment's data, from 0.
            first_iter: Where in the schedule it starts, from 0.
            on_iteration: Called with the number of iterations done.

        Raises:
            Preempted: If SIGTERM came.
        """
        return self._guarded(
            lambda check: self._run(
                start, action, segment, first_iter, check, on_iteration
            )
        )

    def score(self, start: KeptSnapshot) -> Outcome:
        """Score the model of a snapshot as it is; errors as in `run`."""

        def play(check: Callable[[], None]) -> Outcome:
            self.live.restore(start)
            with self.course.at(0):
                score = self._score(check)
            return Outcome(score.metrics, value=score.value)

        return self._guarded(play)

    def _guarded(
        self, play: Callable[[Callable[[], None]], Outcome]
    ) -> Outcome:
        """Return what came of a task, with its time and perhaps its error."""
        began = time.monotonic()
        try:
            with self.groups.scope(), stop_on_sigterm() as check:
                outcome = play(check)
        except NotFiniteError as error:
            outcome = Outcome(diverged=str(error))
        except Exception as error:
            if self.groups.share.size > 1:
                raise
            oom = isinstance(error, torch.cuda.OutOfMemoryError)
            outcome = Outcome(error=traceback.format_exc(), out_of_memory=oom)
            # The frames hold the graph and the batch.
            traceback.clear_frames(error.__traceback__)
        if outcome.error:
            self._free()
        return outcome._replace(seconds=time.monotonic() - began)

    def _run(
        self,
        start: KeptSnapshot,
        action: Tensor,
        segment: int,
        first_iter: int,
        check: Callable[[], None],
        on_iteration: Callable[[int], None],
    ) -> Outcome:
        self.live.restore(start)
        self.target.apply(action)

        def between(done: int) -> None:
            failpoint('explore.inside_training')
            on_iteration(done)
            check()

        with self.course.at(first_iter):
            losses = train_segment(
                self.live,
                (p.loader for p in self.loader.pieces(segment, first_iter)),
                self.target.meter(),
                first_iter=first_iter,
                max_iters=self.max_iters,
                epoch_length=self.loader.epoch_length,
                seed=self._segment_seed(segment),
                events=self.target.events(
                    self.course, lambda: self.loader.segment(segment)
                ),
                on_iteration=between,
            )
            failpoint('explore.after_training')
            score = self._score(check)
        failpoint('explore.after_evaluation')
        self.live.attributes.difference()  # raises what capture would
        return Outcome(
            score.metrics,
            tuple(losses.tolist()),
            score.value,
            score.resamples,
        )

    def _score(self, check: Callable[[], None]) -> Score:
        with self.course.validation() as metrics:
            score = self.evaluator.score(self.live.model, check)
            metrics.update(score.metrics)
        return score

    def _segment_seed(self, segment: int) -> int:
        # The first rank of a group draws what a replica of one rank would.
        rank = self.groups.share.rank
        keys = (segment, rank) if rank else (segment,)
        return derive_seed(self.seed, 'segment', *keys)

    def _free(self) -> None:
        """Let go of what a failed segment left."""
        self.live.optim_wrapper.zero_grad(set_to_none=True)
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
