"""The batches of each segment, the same for all replicas of a round."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Dataset, Sampler

from .seeding import derive_seed, seed_worker


class SegmentSampler(Sampler[int]):
    """A slice of the endless sequence of shuffled epochs.

    Epoch e is a permutation drawn from (seed, e) alone, so that any slice
    can be had without the ones before it.

    Args:
        dataset: What the indices point into.
        size: Number of indices of a segment.
        seed: The run's seed.
    """

    def __init__(self, dataset: Dataset, size: int, seed: int) -> None:
        self.dataset = dataset
        self.size = size
        self.seed = seed
        self.segment = 0

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        total = len(self.dataset)  # type: ignore[arg-type]
        start = self.segment * self.size
        orders: dict[int, list[int]] = {}
        for position in range(start, start + self.size):
            epoch, offset = divmod(position, total)
            if epoch not in orders:
                generator = torch.Generator().manual_seed(
                    derive_seed(self.seed, 'epoch', epoch)
                )
                orders[epoch] = torch.randperm(
                    total, generator=generator
                ).tolist()
            yield orders[epoch][offset]


class SegmentLoader:
    """Builds a fresh dataloader for each segment.

    Nothing of a dataloader outlives a segment: the order, the workers'
    seeds and a batch sampler's buckets are functions of (seed, segment).

    Args:
        dataloader: An MMEngine dataloader config; its sampler is replaced.
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
        config['sampler'] = dict(type='DefaultSampler', shuffle=False)
        self.template: DataLoader = Runner.build_dataloader(config, seed=seed)
        self.seed = seed
        samples = len(self.template.dataset)
        batch_size = dataloader['batch_size']
        if samples == 0:
            raise ValueError(
                '`dataloader.dataset` has no image; expected at least one.'
            )
        if num_iters is not None and num_iters < 1:
            raise ValueError(
                f'`iters_per_round` is {num_iters}; expected a '
                'positive number, or None for one epoch.'
            )
        self.epoch_length = -(-samples // batch_size)
        self.num_iters = num_iters or self.epoch_length
        self._sampler = SegmentSampler(
            self.template.dataset, self.num_iters * batch_size, seed
        )

    def segment(self, index: int) -> DataLoader:
        """Returns the dataloader of a segment, counted from 0."""
        seed = derive_seed(self.seed, 'segment', index)
        sampler = copy.copy(self._sampler)
        sampler.segment = index
        template = self.template
        return DataLoader(
            template.dataset,
            batch_sampler=self._batch_sampler(sampler),
            num_workers=template.num_workers,
            collate_fn=template.collate_fn,
            pin_memory=template.pin_memory,
            timeout=template.timeout,
            prefetch_factor=template.prefetch_factor,
            worker_init_fn=partial(seed_worker, seed=seed),
            generator=torch.Generator().manual_seed(seed),
        )

    def _batch_sampler(self, sampler: SegmentSampler) -> Sampler[list[int]]:
        # Deep, since batch samplers keep buckets; but not the dataset.
        kept = {id(self.template.dataset): self.template.dataset}
        batch_sampler: Any = copy.deepcopy(self.template.batch_sampler, kept)
        batch_sampler.sampler = sampler
        return batch_sampler
