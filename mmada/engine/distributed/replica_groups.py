"""Which ranks train which replicas, and what the others must not see.

The ranks are divided into groups. While a group trains a replica, it is
torch.distributed's default group, so that an unmodified detector acts on the
ranks of its replica alone.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple
from unittest import mock

import torch
import torch.distributed as torch_dist
from mmcv.ops import SyncBatchNorm as MMSyncBatchNorm
from mmdet.models import BatchSyncRandomResize
from mmengine import dist
from mmengine.logging import print_log
from mmengine.model import MMDistributedDataParallel
from torch import nn

from mmada.engine.mmengine_adapters import CAN_SWAP, swap_default_group
from mmada.models import inner_model


class Share(NamedTuple):
    """A rank's part of a replica's batches.

    Attributes:
        rank: The rank within the replica's group.
        size: Ranks of the group.
    """

    rank: int
    size: int


def partition(
    world_size: int, num_replicas: int, ranks_per_replica: int | None
) -> list[list[int]]:
    """Divide the ranks into groups that train one replica at a time.

    Args:
        world_size: Number W of ranks.
        num_replicas: Number m of replicas a round.
        ranks_per_replica: Ranks of a group; None for max(1, W // m).

    Returns:
        The ranks of each group, at most m groups. Ranks that are left over
        are in none.

    Raises:
        ValueError: If a group would need more ranks than there are.
    """
    size = ranks_per_replica or max(1, world_size // num_replicas)
    if not 1 <= size <= world_size:
        raise ValueError(
            f'`ranks_per_replica` should be 1 to {world_size}, as this run '
            f'has {world_size} rank{"s" if world_size > 1 else ""}, or None. '
            f'Found {ranks_per_replica}. Start as many ranks with torchrun or '
            'tools/dist_train.sh, or set another value, as '
            '`mmada adapt --gpus 1` does for one GPU.'
        )
    count = min(world_size // size, num_replicas)
    return [list(range(i * size, (i + 1) * size)) for i in range(count)]


class ReplicaGroups:
    """The groups of ranks, and what this rank does in its own.

    To be made by all ranks at the same time, while the default group is the
    world's.

    Args:
        num_replicas: m.
        ranks_per_replica: See `partition`.

    Raises:
        ValueError: As `partition`.
        RuntimeError: If replicas need several ranks each and this torch
            cannot swap the default group.
    """

    def __init__(
        self, num_replicas: int, ranks_per_replica: int | None = None
    ) -> None:
        rank, world_size = dist.get_dist_info()
        self.members = partition(world_size, num_replicas, ranks_per_replica)
        self.index: int | None = None
        self.share = Share(0, 1)
        self._group: Any = None
        self._scope: Any = contextlib.nullcontext
        # A rank that is left over gets a group too: it must not act on the
        # world where the others act inside theirs.
        idle = list(range(sum(map(len, self.members)), world_size))
        for i, members in enumerate([*self.members, *([r] for r in idle)]):
            group = _new_group(members)
            if rank in members:
                self.index = i if i < len(self.members) else None
                self.share = Share(members.index(rank), len(members))
                self._group = group
        if self._group is not None:
            self._scope = self._choose_scope()
        self._warn_of(idle, world_size)

    def __len__(self) -> int:
        return len(self.members)

    @property
    def leaders(self) -> list[int]:
        """The first rank of each group, whose outcomes count for it."""
        return [members[0] for members in self.members]

    def own_of(self, shares: Sequence[Sequence[int]]) -> Sequence[int]:
        """Return which replicas of a wave this rank trains.

        Args:
            shares: The wave's replicas by group.
        """
        return () if self.index is None else shares[self.index]

    def scope(self) -> contextlib.AbstractContextManager[None]:
        """Let the default group be this rank's own.

        Inside, the first rank of every group takes itself for the main
        process: call no hook, logger backend or checkpoint there.
        """
        return self._scope()

    def wrap(self, model: nn.Module) -> nn.Module:
        """Return the model as this rank's replicas train it.

        Args:
            model: The runner's; in a distributed run its wrapper spans all
                ranks.

        Raises:
            ValueError: If its wrapper is not MMDistributedDataParallel.
        """
        if self.share.size == 1:
            return inner_model(model)
        if not isinstance(model, MMDistributedDataParallel):
            raise ValueError(
                '`model_wrapper_cfg.type` should be MMDistributedDataParallel '
                'for replicas of several ranks. '
                f'Found {type(model).__name__}.'
            )
        with self.scope():
            return type(model)(
                module=model.module,
                device_ids=model.device_ids,
                broadcast_buffers=model.broadcast_buffers,
                find_unused_parameters=model.find_unused_parameters,
                process_group=self._group,
            )

    def close(self) -> None:
        """Give the groups back."""
        if self._group is not None:
            torch_dist.destroy_process_group(self._group)
            self._group = None

    def _choose_scope(self) -> Any:
        if swap_works(self._group):
            return lambda: default_group(self._group)
        if self.share.size == 1:
            return no_group
        raise RuntimeError(
            '`ranks_per_replica` should be 1, since this version of torch '
            f'cannot swap its default process group. Found {self.share.size}.'
        )

    def _warn_of(self, idle: list[int], world_size: int) -> None:
        if idle:
            print_log(
                f'{len(idle)} of {world_size} ranks wait during the '
                f'exploration: {len(self.members)} groups of '
                f'{len(self.members[0])} train its replicas.',
                logger='current',
                level=logging.WARNING,
            )


def _new_group(members: list[int]) -> Any:
    if not dist.is_distributed():
        return None
    return torch_dist.new_group(members)


@contextlib.contextmanager
def default_group(group: Any) -> Iterator[None]:
    """Make a process group the default one.

    Samplers, metrics, `reduce_mean`, SyncBN and everything else of an
    unmodified detector that names no group then acts inside this one. It
    uses two private functions of torch, see `CAN_SWAP`.

    Args:
        group: A group of which this rank is a member.
    """
    kept = swap_default_group(group)
    try:
        yield
    finally:
        swap_default_group(kept)


@contextlib.contextmanager
def no_group() -> Iterator[None]:
    """Make code that asks whether it is distributed find that it is not.

    It stands in for `default_group` on a torch that cannot swap: enough
    for a replica of one rank.
    """
    with mock.patch.object(torch_dist, 'is_initialized', lambda: False):
        yield


@contextlib.contextmanager
def as_rank(share: Share) -> Iterator[None]:
    """Make code that asks for its rank find that of a share.

    For samplers, which share the data out among the ranks that they find.
    Nothing can be exchanged inside.

    Args:
        share: Also of a group that this process is not in.
    """
    with (
        mock.patch.multiple(
            torch_dist,
            is_initialized=lambda: share.size > 1,
            get_rank=lambda group=None: share.rank,
            get_world_size=lambda group=None: share.size,
        ),
        mock.patch.object(dist.utils, 'get_default_group', lambda: None),
    ):
        yield


def swap_works(group: Any) -> bool:
    """Try the swap on a real group of which this rank is a member."""
    if not CAN_SWAP:
        return False
    size = torch_dist.get_world_size(group)
    rank = torch_dist.get_rank(group)
    with default_group(group):
        inside = torch_dist.get_rank(), torch_dist.get_world_size()
    return inside == (rank, size) and torch_dist.is_initialized()


def holds_on_all_ranks(holds: bool) -> bool:
    """Return whether something holds on all ranks of the default group."""
    if dist.get_world_size() == 1:
        return holds
    flag = torch.tensor(float(holds), device=dist.get_comm_device())
    dist.all_reduce(flag, 'min')
    return bool(flag)


@contextlib.contextmanager
def without_all_reduce() -> Iterator[None]:
    """Leave sums over the ranks out, for passes that not all ranks do.

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
    """Stand in for `all_reduce`: leave the tensor as it is."""


def check_sync_batch_norm(model: nn.Module) -> None:
    """Check that no module synchronizes over the ranks of other replicas.

    Raises:
        ValueError: If there is one, naming it.
    """
    for name, module in model.named_modules():
        _check_batch_norm(name, module)
        if isinstance(module, BatchSyncRandomResize):
            raise ValueError(
                '`data_preprocessor.batch_augments` should have no '
                'BatchSyncRandomResize in an exploration of several ranks: '
                f'it makes all ranks wait for each other. Found {name}.'
            )


def _check_batch_norm(name: str, module: nn.Module) -> None:
    """Check that a batch norm mixes no replicas and waits for no rank."""
    mmcv = isinstance(module, MMSyncBatchNorm)
    fixed = getattr(module, 'process_group', None) is not None
    if mmcv or (fixed and isinstance(module, nn.SyncBatchNorm)):
        kind = "mmcv's ('MMSyncBN')" if mmcv else 'with a `process_group`'
        raise ValueError(
            "`norm_cfg.type` should be 'SyncBN' in an exploration of several "
            "ranks, or `sync_bn` 'torch', which average over the ranks of a "
            f'replica. Found {name}, a SyncBatchNorm {kind}, which averages '
            'over the ranks that it was built for.'
        )
