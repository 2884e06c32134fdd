"""The rounds of an exploration: train, score, learn, pass the winner on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mmada.controllers import Controller
from mmada.engine.live_replica import LiveReplica
from mmada.engine.probe import unwrap
from mmada.engine.reward_evaluator import RewardEvaluator
from mmada.engine.seeding import derive_seed
from mmada.engine.segment import train_segment
from mmada.engine.segment_loader import SegmentLoader
from mmada.engine.state import StateStore

from .exploration_reporter import ExplorationReporter
from .exploration_state import ExplorationState

MAX_FAILED_ROUNDS = 3


class Exploration:
    """Plays all replicas on one live model and commits each step.

    Replica k of round t is a function of (state at the start of t, its
    weights, t, seed) alone, so a killed round is redone to the same bits.

    Args:
        live: The live model, its optimizer and schedulers.
        loader: Batches of each round.
        evaluator: Scores a replica.
        controller: Proposes weights and learns from the scores.
        reporter: Tells a person.
        store: Where each step is committed.
        max_iters: Iterations of all rounds.
        seed: The run's seed.
    """

    def __init__(
        self,
        live: LiveReplica,
        loader: SegmentLoader,
        evaluator: RewardEvaluator,
        controller: Controller,
        reporter: ExplorationReporter,
        store: StateStore,
        *,
        max_iters: int,
        seed: int,
    ) -> None:
        self.live = live
        self.loader = loader
        self.evaluator = evaluator
        self.controller = controller
        self.reporter = reporter
        self.store = store
        self.max_iters = max_iters
        self.seed = seed

    def begin(self) -> ExplorationState:
        """Finds l^1 in a pseudo epoch, whose model is then discarded."""
        start = self.live.capture()
        ones = torch.ones(len(unwrap(self.live.model).objectives))
        self.reporter.begin()
        losses = self._train(ones, 0, self.reporter.pseudo_iteration)
        if losses is None:
            raise RuntimeError(
                'The pseudo epoch diverged with all weights 1: the loss or a '
                'parameter is not finite. Lower the learning rate.'
            )
        value = self.evaluator.evaluate(self.live.model)[self.evaluator.metric]
        state = ExplorationState(
            start=start,
            losses=losses,
            reference=value if math.isfinite(value) else None,
            controller=self.controller.state_dict(),
        )
        self._commit(state)
        return state

    def run_round(self, state: ExplorationState) -> dict[str, Any] | None:
        """Runs what is left of the present round.

        Returns:
            The record of the round; None if no replica survived it, so that
            it has to be tried again.

        Raises:
            RuntimeError: If that happened too often in succession.
        """
        if state.weights is None:
            state.weights = self.controller.propose(state.losses)
            state.controller = self.controller.state_dict()
        for k in range(len(state.results), self.controller.num_replicas):
            self._run_replica(state, k)
            self._commit(state)
        record = self._close_round(state)
        self._commit(state)
        return record

    def _run_replica(self, state: ExplorationState, k: int) -> None:
        """Trains and scores replica k; keeps it if it is the best so far."""
        assert state.weights is not None
        began = time.monotonic()
        self.live.restore(state.start)
        losses = self._train(
            state.weights[k], state.round, self.reporter.start(state, k)
        )
        metrics = (
            {} if losses is None else self.evaluator.evaluate(self.live.model)
        )
        value = metrics.get(self.evaluator.metric, math.nan)
        if math.isfinite(value) and (
            state.best_value is None or value > state.best_value
        ):
            state.best, state.best_value = self.live.capture(), value
        state.results.append(
            dict(
                metrics=metrics,
                losses=[] if losses is None else losses.tolist(),
            )
        )
        state.seconds += time.monotonic() - began

    def _train(
        self,
        weights: Tensor,
        index: int,
        on_iteration: Callable[[int], None],
    ) -> Tensor | None:
        unwrap(self.live.model).set_weights(weights)
        return train_segment(
            self.live,
            self.loader.segment(index),
            first_iter=index * self.loader.num_iters,
            max_iters=self.max_iters,
            epoch_length=self.loader.epoch_length,
            seed=derive_seed(self.seed, 'segment', index),
            on_iteration=on_iteration,
        )

    def _close_round(self, state: ExplorationState) -> dict[str, Any] | None:
        """Lets the controller learn and passes the winner on."""
        assert state.weights is not None
        metric = self.evaluator.metric
        values = torch.tensor(
            [r['metrics'].get(metric, math.nan) for r in state.results],
            dtype=torch.float64,
        )
        result = self.controller.observe(values, state.reference)
        state.controller = self.controller.state_dict()
        if state.best is None:
            self._fail(state)
            return None
        record = self.reporter.record(state, result)
        winner = state.results[result.best]
        state.start, state.reference = state.best, state.best_value
        state.losses = torch.tensor(winner['losses'], dtype=torch.float64)
        state.best_weights = state.weights[result.best]
        state.history.append(record)
        state.round += 1
        state.failures = 0
        _clear_round(state)
        return record

    def _fail(self, state: ExplorationState) -> None:
        """Goes back to the round's start after all replicas diverged."""
        state.failures += 1
        if state.failures >= MAX_FAILED_ROUNDS:
            raise RuntimeError(
                f'All replicas of round {state.round + 1} diverged '
                f'{state.failures} times in succession. The state before it '
                f'is kept in {self.store.root}.'
            )
        self.reporter.failed(state)
        _clear_round(state)

    def _commit(self, state: ExplorationState) -> None:
        state.commits += 1
        self.store.commit(state.commits, state.to_payload())


def _clear_round(state: ExplorationState) -> None:
    state.weights = None
    state.results = []
    state.best = None
    state.best_value = None
