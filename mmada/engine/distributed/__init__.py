"""Many ranks: how they start, share out replicas and agree."""

from .channel import Channel, RemoteError
from .default_group import default_group
from .no_reductions import no_reductions
from .replica_groups import (
    ReplicaGroups,
    Share,
    partition,
)
from .world_bound import refuse_world_bound

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
