"""Many ranks: how they start, share out replicas and agree."""

from mmada.engine.distributed.channel import Channel, RemoteError
from mmada.engine.distributed.replica_groups import (
    ReplicaGroups,
    Share,
    default_group,
    no_reductions,
    partition,
    refuse_world_bound,
)

__all__ = [
    'Channel',
    'RemoteError',
    'ReplicaGroups',
    'Share',
    'default_group',
    'no_reductions',
    'partition',
    'refuse_world_bound',
]
