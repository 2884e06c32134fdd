"""The rounds of a search, whatever it searched for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DEFAULT_METRIC = 'coco_panoptic/PQ'


@dataclass(frozen=True)
class SearchRound:
    """What happened in one round.

    Attributes:
        number: The round, from 1.
        names: What the n numbers of an action stand for.
        actions: Of each replica, (m, n).
        rewards: (m,), NaN where there is none.
        metrics: Of each replica; empty for one that diverged or rested.
        best: Index of the winner.
        losses: Mean raw losses of the state before the round, (n,) or
            empty.
        reference: Metric of that state; NaN if not known.
        updated: Whether the controller learned.
        reason: Why it did not, or ''.
        info: Scalars of the learner.
        resting: Replicas that trained nothing.
        metric: Key of the reward metric; '' if not recorded.
        resamples: Reward metric on resampled images, (m, B), NaN where a
            replica has none; None if not recorded.
    """

    number: int
    names: tuple[str, ...]
    actions: Array
    rewards: Array
    metrics: tuple[Mapping[str, float | None], ...]
    best: int
    losses: Array
    reference: float
    updated: bool
    reason: str
    info: Mapping[str, float | None]
    resting: frozenset[int]
    metric: str
    resamples: Array | None

    def values(self, metric: str) -> Array:
        """Return a metric of each replica, (m,), NaN where it has none."""
        found = [replica.get(metric) for replica in self.metrics]
        return np.array(found, dtype=np.float64)

    @property
    def trained(self) -> Array:
        """Which replicas trained, (m,)."""
        replicas = range(len(self.metrics))
        return np.array([k not in self.resting for k in replicas])


@dataclass(frozen=True)
class Search:
    """One search of a run.

    Attributes:
        title: Name of its directory in the work directory.
        what: What the values of an action are called.
        rounds: The completed ones, at least one.
        config: Of the exploration loop; empty if not known.
    """

    title: str
    what: str
    rounds: Sequence[SearchRound]
    config: Mapping[str, Any]

    @property
    def names(self) -> tuple[str, ...]:
        """What the numbers of an action stand for."""
        return self.rounds[0].names

    @property
    def numbers(self) -> list[int]:
        """Of the rounds."""
        return [entry.number for entry in self.rounds]

    @cached_property
    def metric(self) -> str:
        """Key of the metric that the rewards were made of."""
        known = self.rounds[-1].metric or DEFAULT_METRIC
        keys = {key for r in self.rounds for m in r.metrics for key in m}
        if known in keys or not keys:
            return known
        return max(sorted(keys), key=self._wins)

    @property
    def winner(self) -> Array:
        """Reward metric of the winner of each round, (rounds,)."""
        return self.of_winner(self.metric)

    def of_winner(self, metric: str) -> Array:
        """Return a metric of the winner of each round, (rounds,)."""
        return np.array([r.values(metric)[r.best] for r in self.rounds])

    def _wins(self, metric: str) -> int:
        """Count the rounds whose winner is best by a metric."""
        values = [(r.values(metric), r.best) for r in self.rounds]
        return sum(
            bool(v[best] == np.nanmax(v))
            for v, best in values
            if np.isfinite(v).any()
        )
