"""Backward passes that wait for no other rank."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from unittest import mock

import torch.distributed as torch_dist
from mmengine import dist


@contextlib.contextmanager
def no_reductions() -> Iterator[None]:
    """Leaves sums over the ranks out, for passes that not all ranks do.

    The backward pass of SyncBN sums over its ranks, and would wait for ever
    for one that has no such loss. The gradients are then not those of all
    ranks: it is for passes that ask only whether there is a gradient.
    """
    if not dist.is_distributed():
        yield
        return
    # Of the module, not of a thread: CUDA's backward passes have their own.
    with mock.patch.object(torch_dist, 'all_reduce', _keep):
        yield


def _keep(*args: object, **kwargs: object) -> None:
    """Stands for `all_reduce`, and leaves the tensor as it is."""
