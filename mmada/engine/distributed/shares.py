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
    """How fast the groups are, by the shorter of their last two replicas.

    A single delay makes no group slow. Not part of a state: a resumed run may
    have other groups.

    Args:
        num_groups: Number of groups.
    """

    def __init__(self, num_groups: int) -> None:
        self._seconds: list[list[float]] = [[] for _ in range(num_groups)]
        self._waves_without = [0] * num_groups

    def note(self, seconds: Mapping[int, float]) -> None:
        """Note what a replica took in a wave.

        Args:
            seconds: By group, of those that completed one. For the others
                the estimate shrinks: a group that was slow once gets
                replicas again.
        """
        for group, known in enumerate(self._seconds):
            if group in seconds:
                self._seconds[group] = [*known[-1:], seconds[group]]
                self._waves_without[group] = 0
            else:
                self._waves_without[group] += 1

    def relative(self) -> list[int]:
        """Return by group how many times as long as the fastest it takes.

        A group whose time is not known counts as fast.
        """
        times = [
            min(known, default=0.0) * _FORGETTING**waves
            for known, waves in zip(
                self._seconds, self._waves_without, strict=True
            )
        ]
        fastest = min((t for t in times if t), default=0.0)
        return [
            round(t / fastest) if t - fastest >= LEAST_LEAD else 1
            for t in times
        ]
