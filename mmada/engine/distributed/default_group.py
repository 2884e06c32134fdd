"""Which ranks torch.distributed's default group stands for, for a while."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch.distributed as torch_dist
from torch.distributed import distributed_c10d as c10d

CAN_SWAP = all(
    callable(getattr(c10d, name, None))
    for name in ('_get_default_group', '_update_default_pg')
)


@contextlib.contextmanager
def default_group(group: Any) -> Iterator[None]:
    """Makes a process group the default one.

    Samplers, metrics, `reduce_mean`, SyncBN and everything else of an
    unmodified detector that names no group then acts inside this one. It
    uses two private functions of torch, see `CAN_SWAP`.

    Args:
        group: A group of which this rank is a member.
    """
    kept = c10d._get_default_group()
    c10d._update_default_pg(group)
    try:
        yield
    finally:
        c10d._update_default_pg(kept)


@contextlib.contextmanager
def no_group() -> Iterator[None]:
    """Makes code that asks whether it is distributed hear that it is not.

    What stands in for `default_group` on a torch that cannot swap: enough
    for a replica of one rank.
    """
    with mock.patch.object(torch_dist, 'is_initialized', lambda: False):
        yield


def swap_works(group: Any) -> bool:
    """Tries the swap on a real group of which this rank is a member."""
    if not CAN_SWAP:
        return False
    size = torch_dist.get_world_size(group)
    rank = torch_dist.get_rank(group)
    with default_group(group):
        inside = torch_dist.get_rank(), torch_dist.get_world_size()
    return inside == (rank, size) and torch_dist.is_initialized()
