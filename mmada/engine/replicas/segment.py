"""Training one segment: q iterations of one replica."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from mmengine import dist
from torch import Tensor

from mmada.engine.replicas.live_replica import LiveReplica
from mmada.models.meters import Meter
from mmada.utils.seeding import seed_all


def train_segment(
    live: LiveReplica,
    batches: Iterable[Any],
    meter: Meter,
    *,
    first_iter: int,
    max_iters: int,
    epoch_length: int,
    seed: int,
    on_iteration: Callable[[int], None] = lambda done: None,
) -> Tensor | None:
    """Train on the batches with the weights or shapes in force.

    No hook of the run fires here: the segment may belong to a replica that
    is thrown away. All ranks of the default group train it together, and
    stop together.

    Args:
        live: Restored to the segment's start.
        batches: q batches.
        meter: Sees what each iteration logs.
        first_iter: Iterations done before the segment.
        max_iters: Iterations of the whole schedule.
        epoch_length: Iterations of an epoch, for schedulers by epoch.
        seed: Seeds all global generators first.
        on_iteration: Called with the number of iterations done.

    Returns:
        The meter's means; None if the loss or a parameter is not finite,
        where training stops at once.
    """
    live.optim_wrapper.initialize_count_status(
        live.model, first_iter, max_iters
    )
    seed_all(seed)
    live.model.train()
    for done, batch in enumerate(batches, 1):
        log_vars = live.model.train_step(
            batch, optim_wrapper=live.optim_wrapper
        )
        if not _on_all_ranks(bool(torch.isfinite(log_vars['loss']))):
            return None
        meter.update(log_vars)
        live.step_schedulers((first_iter + done) % epoch_length == 0)
        on_iteration(done)
    return meter.mean() if _on_all_ranks(live.is_finite()) else None


def _on_all_ranks(holds: bool) -> bool:
    """Return whether something holds on all ranks of the default group."""
    if dist.get_world_size() == 1:
        return holds
    flag = torch.tensor(float(holds), device=dist.get_comm_device())
    dist.all_reduce(flag, 'min')
    return bool(flag)
