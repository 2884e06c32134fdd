"""The losses of a single iteration, the same on all ranks."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from mmengine import dist
from torch import Tensor


@torch.no_grad()
def iteration_losses(found: Mapping[int, Tensor], size: int) -> Tensor:
    """Averages the objectives' losses over the ranks that have them.

    Args:
        found: This rank's scalars by objective index; some may be absent.
        size: Number n of objectives.

    Returns:
        Means, float64 on the CPU, shape (n,); NaN where no rank has a loss.
    """
    losses = torch.full((size,), math.nan, dtype=torch.float64)
    if found:  # as one tensor, since each transfer waits for the device
        values = [value.detach().double() for value in found.values()]
        losses[list(found)] = torch.stack(values).cpu()
    if not dist.is_distributed():
        return losses
    present = ~losses.isnan()
    sums = torch.stack([losses.masked_fill(~present, 0), present.double()])
    sums = sums.to(dist.get_comm_device())
    dist.all_reduce(sums)
    total, count = sums.cpu()
    return total / count  # 0 / 0 is NaN
