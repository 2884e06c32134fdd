"""The config of a dataloader, also of one that is built already."""

from __future__ import annotations

import copy
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.dist import get_world_size
from mmengine.registry import DATASETS
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
)

from mmada.utils.checks import check_int

# What decides which images are in which batch.
ORDER_OPTIONS = (
    'sampler',
    'batch_sampler',
    'batch_size',
    'drop_last',
    'num_batch_per_epoch',
)
# What a built dataloader keeps of its other options; some torches lack some.
_LOADER_OPTIONS = (
    'num_workers',
    'pin_memory',
    'pin_memory_device',
    'timeout',
    'multiprocessing_context',
    'prefetch_factor',
    'in_order',
)


def read_dataloader(
    dataloader: dict[str, Any] | DataLoader, ranks: int = 1
) -> dict[str, Any]:
    """Return the config of a dataloader, around its built dataset.

    Args:
        dataloader: An MMEngine config, which may hold objects, or a
            DataLoader. Each use of the config copies its samplers.
        ranks: Ranks among which its samplers share the images out.

    Raises:
        ValueError: If segments of it cannot be had.
    """
    if isinstance(dataloader, DataLoader):
        config = _options_of(dataloader)
    else:
        config = dict(dataloader)
    dataset = _build_dataset(config['dataset'])
    # As a function, since MMEngine copies what it builds from.
    config['dataset'] = dict(type=lambda: dataset)
    _read_samplers(config, dataset, ranks)
    if config.get('batch_size') is None and config.get('batch_sampler'):
        config['batch_size'] = config['batch_sampler'].get('batch_size')
    check_int('dataloader.batch_size', config.setdefault('batch_size', 1), 1)
    if not config.get('in_order', True):
        raise ValueError(
            '`dataloader.in_order` should be True, so that all replicas see '
            'the same batches. Found False.'
        )
    return config


def resized(config: dict[str, Any], factor: Fraction) -> dict[str, Any]:
    """Return a config with batches of another size.

    Args:
        config: Of a dataloader.
        factor: What each batch size in it is multiplied by.

    Raises:
        ValueError: If that does not give whole numbers.
    """
    found = dict(config, batch_size=_times('', config['batch_size'], factor))
    for name in ('sampler', 'batch_sampler'):
        part = config.get(name)
        if part is not None and 'batch_size' in part:
            size = _times(f'{name}.', part['batch_size'], factor)
            found[name] = dict(part, batch_size=size)
    return found


def _times(where: str, size: Any, factor: Fraction) -> Any:
    if isinstance(size, (list, tuple)):
        return [_times(where, s, factor) for s in size]
    result = size * factor
    if result.denominator != 1:
        raise ValueError(
            f'`dataloader.{where}batch_size`, of the batch of one replica, '
            f'should be a multiple of the {1 / factor} ranks that train it. '
            f'Found {size}.'
        )
    return int(result)


def _options_of(loader: DataLoader) -> dict[str, Any]:
    """Return the options that a dataloader was built with."""
    config = {
        name: getattr(loader, name)
        for name in _LOADER_OPTIONS
        if hasattr(loader, name)
    }
    if loader.worker_init_fn is not None:
        config['worker_init_fn'] = dict(type=loader.worker_init_fn)
    config.update(dataset=loader.dataset, collate_fn=loader.collate_fn)
    if type(loader.batch_sampler) is BatchSampler:
        return config | dict(
            sampler=loader.sampler,
            batch_size=loader.batch_size,
            drop_last=loader.drop_last,
        )
    # Without one, samples are no batches: the check of `batch_size` says so.
    return config | dict(batch_sampler=loader.batch_sampler, batch_size=None)


def _read_samplers(
    config: dict[str, Any], dataset: Dataset, ranks: int
) -> None:
    """Turn samplers that are objects into configs, and None into torch's."""
    batch_sampler = config.get('batch_sampler')
    if batch_sampler is not None and not isinstance(batch_sampler, dict):
        size = getattr(batch_sampler, 'batch_size', None)
        config['sampler'] = getattr(batch_sampler, 'sampler', None)
        config['batch_sampler'] = dict(
            type=_copier(batch_sampler, dataset, ranks), batch_size=size
        )
    shuffle = config.pop('shuffle', 'sampler' not in config)
    sampler = config.get('sampler')
    if sampler is None:
        config['sampler'] = dict(type=DefaultSampler, shuffle=shuffle)
    elif not isinstance(sampler, dict):
        config['sampler'] = _stock_sampler(sampler) or dict(
            type=_copier(sampler, dataset, ranks)
        )


def _copier(found: Any, dataset: Dataset, ranks: int) -> Callable[..., Any]:
    """Return what builds copies of a sampler as if from a config."""
    if get_world_size() > ranks:  # it knows of other ranks than a replica's
        raise ValueError(
            '`dataloader.sampler` should be a config in a search on several '
            f'ranks. Found a {type(found).__name__}.'
        )

    def build(**given: Any) -> Any:
        kept = {id(dataset): dataset}
        if 'sampler' in given:  # of a batch sampler
            kept[id(getattr(found, 'sampler', None))] = given['sampler']
        try:
            built = copy.deepcopy(found, kept)
        except TypeError as error:
            raise ValueError(
                '`dataloader.sampler` should be a config where its order '
                'cannot be copied, so that segments take nothing from it. '
                f'Found a {type(found).__name__} ({error}).'
            ) from error
        if 'seed' in given and hasattr(built, 'seed'):
            built.seed = given['seed']
        return built

    return build


def _stock_sampler(sampler: Any) -> dict[str, Any] | None:
    """Return the config of a sampler that shuffles, or keeps the order."""
    if type(sampler) in (DefaultSampler, InfiniteSampler):
        return dict(type=type(sampler), shuffle=sampler.shuffle)
    if type(sampler) is SequentialSampler:
        return dict(type=DefaultSampler, shuffle=False)
    if type(sampler) is RandomSampler and not (
        sampler.replacement or sampler.num_samples != len(sampler.data_source)
    ):
        return dict(type=DefaultSampler, shuffle=True)
    return None


def _build_dataset(dataset: Any) -> Dataset:
    """Build a dataset as MMEngine does, outside of what copies it."""
    if isinstance(dataset, dict):
        dataset = DATASETS.build(copy.deepcopy(dataset))
        if hasattr(dataset, 'full_init'):
            dataset.full_init()
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, '__len__'):
        raise ValueError(
            '`dataloader.dataset` should have a length and images by index, '
            'so that all replicas can train on the same ones. '
            f'Found {type(dataset).__name__}.'
        )
    if len(dataset) == 0:
        raise ValueError(
            '`dataloader.dataset` should have at least one image. Found none.'
        )
    return dataset
