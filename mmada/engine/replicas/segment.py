"""Training one segment: q iterations of one replica."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor

from mmada.engine.distributed import holds_on_all_ranks
from mmada.engine.replicas.live_replica import LiveReplica
from mmada.models import is_loss
from mmada.models.meters import Meter
from mmada.utils.seeding import seed_all


class SegmentEvents:
    """What happens around the iterations of a segment; here nothing."""

    def before_batches(self, iteration: int) -> None:
        """Act before the data of an epoch are loaded."""

    def before_iteration(self, iteration: int, batch: Any) -> None:
        """Act before an iteration of the training, counted from 0."""

    def after_iteration(
        self, iteration: int, batch: Any, outputs: dict[str, Any]
    ) -> None:
        """Act after an iteration, before the schedules step."""


NO_EVENTS = SegmentEvents()


class NotFiniteError(RuntimeError):
    """A loss or a parameter of a segment is not finite.

    The message says what the training did, and what to change.
    """


def train_segment(
    live: LiveReplica,
    pieces: Iterable[Iterable[Any]],
    meter: Meter,
    *,
    first_iter: int,
    max_iters: int,
    epoch_length: int,
    seed: int,
    events: SegmentEvents = NO_EVENTS,
    on_iteration: Callable[[int], None] = lambda done: None,
) -> Tensor:
    """Train on the batches with the weights or shapes in force.

    All ranks of the default group train the segment together, and stop
    together.

    Args:
        live: Restored to the segment's start.
        pieces: q batches in all, those of each epoch together.
        meter: Sees what each iteration logs.
        first_iter: Iterations done before the segment.
        max_iters: Iterations of the whole schedule.
        epoch_length: Iterations of an epoch, for schedulers by epoch.
        seed: Seeds all global generators first.
        events: Called around each iteration.
        on_iteration: Called with the number of iterations done.

    Returns:
        The meter's means.

    Raises:
        NotFiniteError: If the loss or a parameter is not finite, where
            training stops at once.
    """
    live.optim_wrapper.initialize_count_status(
        live.model, first_iter, max_iters
    )
    seed_all(seed)
    iteration = first_iter
    for batches in pieces:
        events.before_batches(iteration)
        live.model.train()
        for batch in batches:
            events.before_iteration(iteration, batch)
            outputs = live.model.train_step(
                batch, optim_wrapper=live.optim_wrapper
            )
            if not holds_on_all_ranks(bool(torch.isfinite(outputs['loss']))):
                found = _not_finite(outputs)
                _log_not_finite(found, iteration)
                raise NotFiniteError(_why(found, iteration, first_iter))
            meter.update(outputs)
            events.after_iteration(iteration, batch, outputs)
            iteration += 1
            live.step_schedulers(iteration % epoch_length == 0)
            on_iteration(iteration - first_iter)
    if not holds_on_all_ranks(live.is_finite()):
        raise NotFiniteError(
            'diverged: a parameter or buffer is not finite at the end. Lower '
            'the learning rate.'
        )
    return meter.mean()


def _not_finite(log_vars: Mapping[str, Any]) -> str:
    """Name the losses that are not finite in what an iteration logs."""
    losses = {
        name: float(torch.as_tensor(value).detach())
        for name, value in log_vars.items()
        if is_loss(name)
    }
    found = [f'{k} is {v}' for k, v in losses.items() if not math.isfinite(v)]
    return ', '.join(found) or 'their sum, or one of another rank, is not'


def _log_not_finite(found: str, iteration: int) -> None:
    print_log(
        f'This training ends in iteration {iteration + 1}, as losses should '
        f'be finite: {found}.',
        logger='current',
        level=logging.WARNING,
    )


def _why(found: str, iteration: int, first_iter: int) -> str:
    if iteration == first_iter:
        return (
            'has a loss that is not finite in the first iteration, before '
            f'any step: {found}. The learning rate is not the cause. Look at '
            'how this loss is computed, at the data of the first batch, and '
            'at the parameters that the model starts with.'
        )
    return (
        f'diverged in iteration {iteration + 1}: {found}. Lower the learning '
        'rate.'
    )
