"""Which group trains which replicas of a wave, so that all end together.

What a replica becomes does not depend on the group that trains it, so this
may depend on the clock.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

LEAST_LEAD = 5.0
"""Seconds; what differs by less counts as equally fast."""
_FORGETTING = 0.9  # of what a group took, for each wave without it


def share_out(pending: Sequence[int], paces: Sequence[int]) -> list[list[int]]:
    """Share out the replicas of the next wave.

    Each replica, in their order, goes to the group that would end it first.
    The wave is as long as one replica of the slowest group that got any, so
    that a kill costs no more than with one replica a group.

    Args:
        pending: Replicas that are to be trained, at least one.
        paces: By group, how many times as long as the fastest it takes.

    Returns:
        The replicas of the wave by group.
    """
    shares: list[list[int]] = [[] for _ in paces]
    for replica in pending:
        ends = [
            (len(share) + 1) * pace
            for share, pace in zip(shares, paces, strict=True)
        ]
        shares[ends.index(min(ends))].append(replica)
    pairs = list(zip(shares, paces, strict=True))
    length = max(pace for share, pace in pairs if share)
    return [share[: length // pace] for share, pace in pairs]


class Paces:
    """How fast the groups are, by what their last replicas took.

    Not part of a state: a resumed run may have other groups.

    Args:
        num_groups: Number of groups.
    """

    def __init__(self, num_groups: int) -> None:
        self._seconds: list[float | None] = [None] * num_groups

    def note(self, seconds: Mapping[int, float]) -> None:
        """Note what a replica took in a wave.

        Args:
            seconds: By group, of those that completed one. For the others
                the estimate shrinks: a group that was slow once gets
                replicas again.
        """
        for group, known in enumerate(self._seconds):
            if group in seconds:
                self._seconds[group] = seconds[group]
            elif known is not None:
                self._seconds[group] = known * _FORGETTING

    def relative(self) -> list[int]:
        """Return by group how many times as long as the fastest it takes.

        A group whose time is not known counts as fast.
        """
        known = [s for s in self._seconds if s is not None]
        fastest = min(known, default=0.0)
        return [
            1 if s is None or s - fastest < LEAST_LEAD else round(s / fastest)
            for s in self._seconds
        ]
