"""Which ranks train which replicas."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch.distributed as torch_dist
from mmengine import dist
from mmengine.logging import print_log
from mmengine.model import MMDistributedDataParallel
from torch import nn

from mmada.engine.distributed.default_group import (
    default_group,
    no_group,
    swap_works,
)


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
    """Divides the ranks into groups that train one replica at a time.

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
            f'`ranks_per_replica` is {ranks_per_replica}; expected 1 to '
            f'{world_size}, the number of ranks, or None.'
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
        """The first rank of each group, which speaks for it."""
        return [members[0] for members in self.members]

    def replica_of(self, wave: Sequence[int]) -> int | None:
        """Returns which replica of a wave this rank trains, if any."""
        if self.index is None or self.index >= len(wave):
            return None
        return wave[self.index]

    def scope(self) -> contextlib.AbstractContextManager[None]:
        """Lets the default group be this rank's own.

        Inside, the first rank of every group takes itself for the main
        process: call no hook, logger backend or checkpoint there.
        """
        return self._scope()

    def wrap(self, model: nn.Module) -> nn.Module:
        """Returns the model as this rank's replicas train it.

        Args:
            model: The runner's; in a distributed run its wrapper spans all
                ranks.

        Raises:
            ValueError: If its wrapper is not MMDistributedDataParallel.
        """
        if self.share.size == 1:
            return getattr(model, 'module', model)
        if not isinstance(model, MMDistributedDataParallel):
            raise ValueError(
                f'`model_wrapper_cfg.type` is {type(model).__name__}; '
                'replicas of several ranks expect MMDistributedDataParallel.'
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
        """Gives the groups back."""
        if self._group is not None:
            torch_dist.destroy_process_group(self._group)
            self._group = None

    def _choose_scope(self) -> Any:
        if swap_works(self._group):
            return lambda: default_group(self._group)
        if self.share.size == 1:
            return no_group
        raise RuntimeError(
            f'`ranks_per_replica` is {self.share.size}, but this version of '
            'torch cannot swap its default process group; expected 1.'
        )

    def _warn_of(self, idle: list[int], world_size: int) -> None:
        if idle:
            print_log(
                f'{len(idle)} of {world_size} ranks wait during the '
                f'exploration: {len(self.members)} groups of '
                f'{len(self.members[0])} train its replicas.',
                logger='current',
                level=30,
            )


def _new_group(members: list[int]) -> Any:
    if not dist.is_distributed():
        return None
    return torch_dist.new_group(members)


def control_group(timeout: float) -> Any:
    """Makes a gloo group of all ranks, for messages; None without ranks.

    Args:
        timeout: Seconds after which a rank that says nothing is given up.
    """
    if not dist.is_distributed():
        return None
    return torch_dist.new_group(
        backend='gloo', timeout=datetime.timedelta(seconds=timeout)
    )
