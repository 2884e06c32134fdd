"""Whether all ranks go on from the same bits."""

from __future__ import annotations

from collections.abc import Sequence

from mmada.engine.distributed import Channel
from mmada.engine.replicas.digest import digest, digests
from mmada.engine.replicas.live_replica import Snapshot


class ReplicaError(RuntimeError):
    """A replica failed for another reason than a loss that diverged."""


def check_equal(channel: Channel, snapshot: Snapshot) -> str:
    """Sees to it that all ranks hold the same snapshot.

    Args:
        channel: Between the ranks.
        snapshot: This rank's.

    Returns:
        Its digest.

    Raises:
        ReplicaError: If they differ, on all ranks, naming the first
            difference.
    """
    own = digest(snapshot)
    found = channel.gather(own, _comparing)
    if len(set(found)) > 1:
        parts = channel.gather(digests(snapshot), _comparing)
        rank, name = _first_difference(parts)
        raise ReplicaError(
            f'Ranks 0 and {rank} do not hold the same state; the first '
            f'difference is in {name}.'
        )
    return own


def _comparing(rank: int) -> str:
    return 'a comparison'


def _first_difference(parts: Sequence[dict[str, str]]) -> tuple[int, str]:
    """Returns rank and name of the first leaf that differs from rank 0's."""
    return next(
        (rank, name)
        for rank, part in enumerate(parts)
        for name in {**parts[0], **part}
        if parts[0].get(name) != part.get(name)
    )
