"""The endless course of batches that a configured sampler gives."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from mmada.engine.distributed import Share, as_rank
from mmada.utils.seeding import (
    RngState,
    capture_rng,
    preserve_rng,
    restore_rng,
    seed_all,
)


class BatchCourse:
    """The batches of one epoch after the other, as indices.

    Batch p follows from the seed, p and the share alone. What a sampler keeps
    from one batch or epoch to the next is part of it, and so is what it draws
    from the global generators: the course is walked from its beginning, by
    index, and goes on from where it was left if that is not too far.

    Args:
        build: Builds the batch sampler.
        seed: Seeds the global generators for it.
        share: The rank that it is for, among those that train a replica.
    """

    def __init__(
        self, build: Callable[[], Any], seed: int, share: Share
    ) -> None:
        self._build = build
        self._seed = seed
        self._share = share
        self._walk: Iterator[list[Any]] = iter(())
        self._rng: RngState | None = None
        self._position = 0
        # All replicas of a round ask for the same batches.
        self._latest: tuple[int, list[list[Any]]] = (0, [])

    def batches(self, first: int, count: int) -> list[list[Any]]:
        """Return the indices of some batches.

        Args:
            first: Number of the first one, from 0.
            count: How many.

        Raises:
            ValueError: If an epoch has no batch.
        """
        start, kept = self._latest
        if start != first or len(kept) != count:
            self._latest = first, self._take(first, count)
        return list(self._latest[1])

    def _take(self, first: int, count: int) -> list[list[Any]]:
        with preserve_rng(), as_rank(self._share):
            if self._rng is None or first < self._position:
                seed_all(self._seed)
                self._walk, self._position = self._endless(), 0
            else:
                restore_rng(self._rng)
            skipped = first - self._position
            found = list(
                itertools.islice(self._walk, skipped, skipped + count)
            )
            self._rng, self._position = capture_rng(), first + count
        return found

    def _endless(self) -> Iterator[list[Any]]:
        batch_sampler = self._build()
        sampler: Any = getattr(batch_sampler, 'sampler', None)
        for epoch in itertools.count():
            if hasattr(sampler, 'set_epoch'):
                sampler.set_epoch(epoch)
            batch = None
            for batch in batch_sampler:
                yield list(batch)
            if batch is None:
                raise ValueError(
                    '`dataloader.sampler` should give at least one batch in '
                    f'each epoch. Found none in epoch {epoch}, where '
                    f'{_names(batch_sampler)} gave the indices.'
                )


def _names(batch_sampler: Any) -> str:
    """Name a batch sampler and the sampler in it."""
    parts = [batch_sampler, getattr(batch_sampler, 'sampler', None)]
    return ' of '.join(type(p).__name__ for p in parts if p is not None)
