"""The batches of each segment, the same for all replicas of a round."""

from __future__ import annotations

import copy
import itertools
import warnings
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple

import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.runner import Runner
from torch.utils.data import DataLoader, Dataset, Sampler

from mmada.engine.distributed import Share, as_rank
from mmada.engine.replicas.batch_course import BatchCourse
from mmada.engine.replicas.dataloader_config import (
    ORDER_OPTIONS,
    read_dataloader,
    resized,
)
from mmada.utils.checks import check_int
from mmada.utils.seeding import derive_seed, preserve_rng, seed_worker

ALONE = Share(rank=0, size=1)
# Of a config, what is not an option of a segment's dataloader as it stands.
_BUILT = (
    *ORDER_OPTIONS,
    'dataset',
    'collate_fn',
    'worker_init_fn',
    'disable_subprocess_warning',
    'generator',
)
_TRIED_BATCHES = 100


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
    """A slice of the endless sequence of epochs.

    Epoch e is a permutation drawn from (seed, e) alone, so that any slice
    can be had without the ones before it. Of every batch a rank takes its
    share, so that all ranks together see the batches that one would.

    Args:
        dataset: What the indices point into.
        num_batches: Batches of a segment.
        batch_size: Indices of a batch, over all ranks.
        seed: The run's seed.
        segment: Number of the segment, from 0.
        share: The part of each batch.
        shuffle: Whether epochs are permuted.
    """

    def __init__(
        self,
        dataset: Dataset,
        num_batches: int,
        batch_size: int,
        seed: int,
        segment: int = 0,
        share: Share = ALONE,
        shuffle: bool = True,
    ) -> None:
        self.dataset = dataset
        self.num_batches = num_batches
        self.batch_size = batch_size
        self.seed = seed
        self.segment = segment
        self.share = share
        self.shuffle = shuffle

    def __len__(self) -> int:
        return self.num_batches * self.batch_size // self.share.size

    def __iter__(self) -> Iterator[int]:
        total = len(self.dataset)  # type: ignore[arg-type]
        orders: dict[int, list[int]] = {}
        for position in self._positions():
            epoch, offset = divmod(position, total)
            if epoch not in orders:
                orders[epoch] = self._order(epoch, total)
            yield orders[epoch][offset]

    def _order(self, epoch: int, total: int) -> list[int]:
        if not self.shuffle:
            return list(range(total))
        generator = torch.Generator().manual_seed(
            derive_seed(self.seed, 'epoch', epoch)
        )
        return torch.randperm(total, generator=generator).tolist()

    def _positions(self) -> Iterator[int]:
        part = self.batch_size // self.share.size
        first = self.segment * self.num_batches
        for batch in range(first, first + self.num_batches):
            start = batch * self.batch_size + self.share.rank * part
            yield from range(start, start + part)


class SegmentLoader:
    """Builds a fresh dataloader for each segment.

    Nothing of a dataloader outlives a segment: the order, the workers'
    seeds and a batch sampler's buckets are functions of (seed, segment).
    Where MMEngine's own samplers shuffle or keep the order, batches go on
    over the end of an epoch, so all are full; the batches of another sampler,
    or of a batch sampler that asks none, are its own, see
    :class:`BatchCourse`.

    Args:
        dataloader: An MMEngine dataloader config, or a DataLoader.
        num_iters: Batches of a segment; None for one epoch.
        seed: The run's seed.
        ranks: Ranks that the configured batches are for, each of which takes
            a whole one, as in a training; 1 where those that train a replica
            divide each batch.

    Raises:
        ValueError: If an option does not fit, or the order of the sampler
            does not follow from its seed.
    """

    def __init__(
        self,
        dataloader: dict[str, Any] | DataLoader,
        num_iters: int | None,
        seed: int,
        ranks: int = 1,
    ) -> None:
        if num_iters is not None:
            check_int('iters_per_round', num_iters, 1)
        config = read_dataloader(dataloader, ranks)
        config['sampler'] = dict(
            config['sampler'], seed=derive_seed(seed, 'sampler')
        )
        config['persistent_workers'] = False  # they carry generators over
        self._config = config
        self.seed = seed
        self.ranks = ranks
        self.share = ALONE
        self.batch_size: int = config['batch_size'] * ranks
        with as_rank(Share(0, ranks)):
            self.template: DataLoader = Runner.build_dataloader(
                config, seed=seed
            )
        self._shuffle = _shuffle_of(self.template)
        if self._shuffle is not None and not self._asks_sampler():
            self._shuffle = None
        self.epoch_length = self._epoch_length()
        self.num_iters = num_iters or self.epoch_length
        self._course = self._course_of(ALONE)
        if self._shuffle is None:
            self._check_order()

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
        loader._course = loader._course_of(share)
        if self._shuffle is None and share.size > self.ranks:
            self._check_share(share)
        return loader

    @property
    def order(self) -> dict[str, Any]:
        """The configs that say which images are in which batch."""
        sampler = dict(self._config['sampler'])
        del sampler['seed']  # derived from that of the run
        return dict(
            sampler=sampler, batch_sampler=self._config.get('batch_sampler')
        )

    def segment(self, index: int) -> DataLoader:
        """Return the dataloader of a segment, counted from 0."""
        return self._load(index, self._batches(index))

    def pieces(self, index: int, first_iter: int | None = None) -> list[Piece]:
        """Return the batches of a segment by epoch, in order.

        Args:
            index: Number of the segment, from 0.
            first_iter: Iterations of the training before it, where that is
                not what the segments before have.
        """
        pieces: list[Piece] = []
        batches = self._batches(index)
        first = index * self.num_iters if first_iter is None else first_iter
        while batches:
            epoch, offset = divmod(first, self.epoch_length)
            size = min(len(batches), self.epoch_length - offset)
            loader = self._load(index, batches[:size], len(pieces))
            pieces.append(Piece(epoch, offset, loader))
            batches, first = batches[size:], first + size
        return pieces

    def _load(
        self, index: int, batches: list[list[Any]], piece: int = 0
    ) -> DataLoader:
        keys = (index, self.share.rank) if self.share.rank else (index,)
        later = ('piece', piece) if piece else ()
        seed = derive_seed(self.seed, 'segment', *keys, *later)
        options = {k: v for k, v in self._config.items() if k not in _BUILT}
        return DataLoader(
            self.template.dataset,
            batch_sampler=batches,
            collate_fn=self.template.collate_fn,
            worker_init_fn=self._worker_init(seed),
            generator=torch.Generator().manual_seed(seed),
            **options,
        )

    def _worker_init(self, seed: int) -> Callable[[int], None]:
        if 'worker_init_fn' in self._config:
            configured: Any = self.template.worker_init_fn
            return partial(seed_worker, seed=seed, then=configured)
        if self._config.get('disable_subprocess_warning', False):
            return partial(seed_worker, seed=seed, then=_ignore_warnings)
        return partial(seed_worker, seed=seed)

    def _batches(self, index: int) -> list[list[Any]]:
        """Return the indices of each batch of a segment."""
        first, count = index * self.num_iters, self.num_iters
        if self._shuffle is None:
            return self._course.batches(first, count)
        return list(itertools.islice(self._from_segment(index), count))

    def _from_segment(self, index: int) -> Iterator[list[Any]]:
        """Yield the batches of a segment, and of those that follow.

        A batch sampler may drop some of what a segment gives it.
        """
        for following in itertools.count(index):
            sampler = dict(
                type=SegmentSampler,
                num_batches=self.num_iters,
                batch_size=self.batch_size,
                seed=self.seed,
                segment=following,
                share=self.share,
                shuffle=self._shuffle,
            )
            batch = None
            for batch in self._batch_sampler(self.share, sampler):
                yield list(batch)
            if batch is None:
                raise ValueError(
                    '`iters_per_round` should be so large that '
                    '`dataloader.batch_sampler` gives a batch. '
                    f'Found {self.num_iters}.'
                )

    def _batch_sampler(
        self, share: Share, sampler: dict[str, Any] | None = None
    ) -> Any:
        """Build the batch sampler of a rank, around its sampler."""
        names = ('dataset', *ORDER_OPTIONS)
        config = resized(
            {k: v for k, v in self._config.items() if k in names},
            Fraction(self.ranks, share.size),
        )
        config['sampler'] = sampler or config['sampler']
        with as_rank(share):
            return Runner.build_dataloader(config, self.seed).batch_sampler

    def _asks_sampler(self) -> bool:
        """Return whether the batches are made of what the sampler gives.

        A batch sampler may have an order of its own, whatever its sampler.
        """
        asked: list[bool] = []

        class Noting(SegmentSampler):
            def __iter__(self) -> Iterator[int]:
                asked.append(True)
                return super().__iter__()

        sampler = dict(
            type=Noting,
            num_batches=1,
            batch_size=self.batch_size,
            seed=self.seed,
        )
        with preserve_rng():
            next(iter(self._batch_sampler(ALONE, sampler)), None)
        return bool(asked)

    def _course_of(self, share: Share) -> BatchCourse:
        return BatchCourse(
            partial(self._batch_sampler, share),
            derive_seed(self.seed, 'sampler'),
            share,
        )

    def _epoch_length(self) -> int:
        if self._shuffle is not None:
            samples = len(self.template.dataset)  # type: ignore[arg-type]
            return -(-samples // self.batch_size)
        try:
            return len(self.template)
        except TypeError as error:
            raise ValueError(
                '`dataloader.batch_sampler` should have a length, the batches '
                f'of an epoch. Found {self._sampler_name} without one.'
            ) from error

    @property
    def _sampler_name(self) -> str:
        batch_sampler = self.template.batch_sampler
        return type(getattr(batch_sampler, 'sampler', batch_sampler)).__name__

    def _first_batches(self, share: Share) -> list[list[Any]]:
        count = min(2 * self.epoch_length, _TRIED_BATCHES) or 1
        return self._course_of(share).batches(0, count)

    def _check_order(self) -> None:
        """Check that the order follows from the seed."""
        share = Share(0, self.ranks)
        if self._first_batches(share) != self._first_batches(share):
            raise ValueError(
                '`dataloader.sampler` should give the same order for the same '
                '`seed` and epoch, so that replicas are compared on the same '
                f'batches. Found {self._sampler_name}, whose orders differ. '
                'Draw from a generator that is seeded with `seed`, or from '
                'the global ones.'
            )

    def _check_share(self, share: Share) -> None:
        """Check that ranks divide the batches of a configured sampler."""
        first, second = (Share(rank, share.size) for rank in range(2))
        if self._first_batches(first) == self._first_batches(second):
            raise ValueError(
                '`dataloader.sampler` should share the images out among the '
                f'{share.size} ranks that train a replica, as '
                '`mmengine.dist.get_dist_info` gives them. Found '
                f'{self._sampler_name}, which gives two ranks the same. Set '
                '`ranks_per_replica=1`.'
            )
        whole, part = (
            getattr(self._batch_sampler(s).sampler, 'num_per_source', [])
            for s in (ALONE, first)
        )
        if [n * share.size for n in part] != whole:
            raise ValueError(
                '`dataloader.batch_size` should keep the ratio of the sources '
                f'on each of the {share.size} ranks that train a replica. '
                f'Found {whole} images of a batch by source, and {part} on a '
                'rank. Set `ranks_per_replica=1`.'
            )


def _shuffle_of(loader: DataLoader) -> bool | None:
    """Return whether a stock sampler shuffles; None for another sampler."""
    sampler: Any = getattr(loader.batch_sampler, 'sampler', None)
    if type(sampler) in (DefaultSampler, InfiniteSampler):
        return bool(sampler.shuffle)
    return None


def _ignore_warnings(worker_id: int) -> None:
    """Do what `disable_subprocess_warning` asks for, in a worker."""
    if worker_id:
        warnings.simplefilter('ignore')
