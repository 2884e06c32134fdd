"""The batches of each segment, the same for all replicas of a round."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Dataset, Sampler

from mmada.engine.distributed import Share
from mmada.utils.checks import check_int
from mmada.utils.seeding import derive_seed, seed_worker

ALONE = Share(rank=0, size=1)


class Piece(NamedTuple):
    """The batches of a segment that belong to one epoch.

    Attributes:
        epoch: Number of the epoch, from 0.
        first_batch: Number of its first batch within the epoch, from 0.
        loader: The batches; its workers start when it is iterated.
    """

    epoch: int
    first_batch: int
    loader: DataLoader


class SegmentSampler(Sampler[int]):
    """A slice of the endless sequence of shuffled epochs.

    Epoch e is a permutation drawn from (seed, e) alone, so that any slice
    can be had without the ones before it. Of every batch a rank takes its
    share, so that all ranks together see the batches that one would.

    Args:
        dataset: What the indices point into.
        num_batches: Batches of a segment.
        batch_size: Indices of a batch, over all ranks.
        seed: The run's seed.
    """

    def __init__(
        self, dataset: Dataset, num_batches: int, batch_size: int, seed: int
    ) -> None:
        self.dataset = dataset
        self.num_batches = num_batches
        self.batch_size = batch_size
        self.seed = seed
        self.segment = 0
        self.share = ALONE

    def __len__(self) -> int:
        return self.num_batches * self.batch_size // self.share.size

    def __iter__(self) -> Iterator[int]:
        total = len(self.dataset)  # type: ignore[arg-type]
        orders: dict[int, list[int]] = {}
        for position in self._positions():
            epoch, offset = divmod(position, total)
            if epoch not in orders:
                generator = torch.Generator().manual_seed(
                    derive_seed(self.seed, 'epoch', epoch)
                )
                orders[epoch] = torch.randperm(
                    total, generator=generator
                ).tolist()
            yield orders[epoch][offset]

    def _positions(self) -> Iterator[int]:
        part = self.batch_size // self.share.size
        first = self.segment * self.num_batches
        for batch in range(first, first + self.num_batches):
            start = batch * self.batch_size + self.share.rank * part
            yield from range(start, start + part)


class _EpochSampler(SegmentSampler):
    """One epoch: its length does not depend on the number of ranks."""

    def __init__(self, dataset: Dataset, seed: int) -> None:
        size = len(dataset)  # type: ignore[arg-type]
        super().__init__(dataset, 1, size, seed)


class SegmentLoader:
    """Builds a fresh dataloader for each segment.

    Nothing of a dataloader outlives a segment: the order, the workers'
    seeds and a batch sampler's buckets are functions of (seed, segment).

    Args:
        dataloader: An MMEngine dataloader config; its sampler is replaced,
            and `batch_size` is over all ranks that train a replica.
        num_iters: Batches of a segment; None for one epoch.
        seed: The run's seed.

    Raises:
        ValueError: If `num_iters` is below 1 or the dataset is empty.
    """

    def __init__(
        self, dataloader: dict[str, Any], num_iters: int | None, seed: int
    ) -> None:
        config = copy.deepcopy(dataloader)
        config['persistent_workers'] = False  # they carry generators over
        config['sampler'] = dict(type=_EpochSampler)
        self.template: DataLoader = Runner.build_dataloader(config, seed=seed)
        self.seed = seed
        self.share = ALONE
        self.batch_size: int = dataloader['batch_size']
        samples = len(self.template.dataset)
        if samples == 0:
            raise ValueError(
                '`dataloader.dataset` should have at least one image. '
                'Found none.'
            )
        if num_iters is not None:
            check_int('iters_per_round', num_iters, 1)
        self.epoch_length = -(-samples // self.batch_size)
        self.num_iters = num_iters or self.epoch_length
        self._sampler = SegmentSampler(
            self.template.dataset, self.num_iters, self.batch_size, seed
        )

    def shared(self, share: Share) -> SegmentLoader:
        """Return the loader of one of the ranks that train a replica.

        Raises:
            ValueError: If the batch cannot be divided evenly.
        """
        if self.batch_size % share.size:
            raise ValueError(
                '`dataloader.batch_size`, the batch of one replica, should '
                f'be a multiple of the {share.size} ranks that train it. '
                f'Found {self.batch_size}.'
            )
        loader = copy.copy(self)
        loader.share = share
        return loader

    def segment(self, index: int) -> DataLoader:
        """Return the dataloader of a segment, counted from 0."""
        return self._load(index, self._batches(index))

    def pieces(self, index: int) -> list[Piece]:
        """Return the batches of a segment by epoch, in order.

        Args:
            index: Number of the segment, from 0.
        """
        batches, pieces = self._batches(index), []
        first = index * self.num_iters
        while batches:
            epoch, offset = divmod(first, self.epoch_length)
            size = min(len(batches), self.epoch_length - offset)
            loader = self._load(index, batches[:size], len(pieces))
            pieces.append(Piece(epoch, offset, loader))
            batches, first = batches[size:], first + size
        return pieces

    def _load(
        self, index: int, batches: list[list[int]], piece: int = 0
    ) -> DataLoader:
        keys = (index, self.share.rank) if self.share.rank else (index,)
        later = ('piece', piece) if piece else ()
        seed = derive_seed(self.seed, 'segment', *keys, *later)
        template = self.template
        return DataLoader(
            template.dataset,
            batch_sampler=batches,
            num_workers=template.num_workers,
            collate_fn=template.collate_fn,
            pin_memory=template.pin_memory,
            timeout=template.timeout,
            prefetch_factor=template.prefetch_factor,
            worker_init_fn=partial(seed_worker, seed=seed),
            generator=torch.Generator().manual_seed(seed),
        )

    def _batches(self, index: int) -> list[list[int]]:
        """Return the indices of each batch of a segment."""
        sampler = copy.copy(self._sampler)
        sampler.segment, sampler.share = index, self.share
        return [list(batch) for batch in self._batch_sampler(sampler)]

    def _batch_sampler(self, sampler: SegmentSampler) -> Sampler[list[int]]:
        # Deep, since batch samplers keep buckets; but not the dataset.
        kept = {id(self.template.dataset): self.template.dataset}
        batch_sampler: Any = copy.deepcopy(self.template.batch_sampler, kept)
        batch_sampler.sampler = sampler
        batch_sampler.batch_size = self.batch_size // self.share.size
        return batch_sampler
