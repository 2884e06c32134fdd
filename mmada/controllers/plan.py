"""What each replica does in a round: where it starts, or why it rests."""

from __future__ import annotations

from enum import Enum


class Start(Enum):
    """Which state a replica starts a round from."""

    BEST = 'the best replica of the round before'
    INITIAL = 'the state that the first round started from'
    OWN = 'its own state after the last round that it trained in'


class Rest(Enum):
    """A replica that trains nothing in a round, and costs nothing."""

    PAUSED = 'its own state is kept for a later round'
    EMPTY = 'it has no state, or one that nobody needs any more'


Plan = tuple[Start | Rest, ...]
"""One entry a replica."""
