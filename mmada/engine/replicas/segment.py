"""Training one segment: q iterations of one replica."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from mmengine import dist
from mmengine.logging import print_log
from torch import Tensor

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
) -> Tensor | None:
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
        The meter's means; None if the loss or a parameter is not finite,
        where training stops at once.
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
            if not _on_all_ranks(bool(torch.isfinite(outputs['loss']))):
                _log_not_finite(outputs, iteration)
                return None
            meter.update(outputs)
            events.after_iteration(iteration, batch, outputs)
            iteration += 1
            live.step_schedulers(iteration % epoch_length == 0)
            on_iteration(iteration - first_iter)
    return meter.mean() if _on_all_ranks(live.is_finite()) else None


def _log_not_finite(log_vars: Mapping[str, Any], iteration: int) -> None:
    """Name the losses that are not finite.

    Args:
        log_vars: What the iteration logs.
        iteration: Counted from 0.
    """
    losses = {
        name: float(torch.as_tensor(value).detach())
        for name, value in log_vars.items()
        if is_loss(name)
    }
    found = [f'{k} is {v}' for k, v in losses.items() if not math.isfinite(v)]
    text = ', '.join(found) or 'their sum, or one of another rank, is not'
    print_log(
        f'This training ends in iteration {iteration + 1}, as losses should '
        f'be finite: {text}.',
        logger='current',
        level=logging.WARNING,
    )


def _on_all_ranks(holds: bool) -> bool:
    """Return whether something holds on all ranks of the default group."""
    if dist.get_world_size() == 1:
        return holds
    flag = torch.tensor(float(holds), device=dist.get_comm_device())
    dist.all_reduce(flag, 'min')
    return bool(flag)
