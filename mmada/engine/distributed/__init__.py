"""Many ranks: how they start, share out replicas and agree."""

from mmada.engine.distributed.channel import Channel, RemoteError
from mmada.engine.distributed.replica_groups import (
    ReplicaGroups,
    Share,
    as_rank,
    check_sync_batch_norm,
    default_group,
    holds_on_all_ranks,
    partition,
    without_all_reduce,
)
from mmada.engine.distributed.shared_directory import check_shared_directory
from mmada.engine.distributed.shares import Paces, share_out

__all__ = [
    'Channel',
    'Paces',
    'RemoteError',
    'ReplicaGroups',
    'Share',
    'as_rank',
    'check_shared_directory',
    'check_sync_batch_norm',
    'default_group',
    'holds_on_all_ranks',
    'partition',
    'share_out',
    'without_all_reduce',
]
