"""The part of a config that a search needs: data and loop."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS

from mmada.commands.adapt.panoptic import loads_panoptic
from mmada.commands.adapt.rewards import Reward, joined
from mmada.commands.adapt.source import FIRST, Code, Noted
from mmada.commands.adapt.stock import Leaf, Stock, leaf_of

ROUNDS = 12
GPUS = 8
LIST = '_proxy_reward.txt'
SUFFIXES = ('.json', '.txt', '.csv')
# How a data set is read, not which images it has, with the defaults.
AS_VALIDATED = dict(pipeline=[], test_mode=False, filter_cfg=None)
# Scopes whose configs balance the losses themselves, those of auxiliary heads.
BALANCED = ('mmseg',)


class Data(NamedTuple):
    """What a search trains on and is rewarded with.

    Attributes:
        train: The training data set, the first of joined ones.
        ids_file: The list of the images that are held out.
    """

    train: Leaf
    ids_file: str


def find_data(config: Config) -> Data:
    """Find the data that a search holds images out of.

    Raises:
        ValueError: If there is no data set that this can be done with.
    """
    for loader in ('train_dataloader', 'val_dataloader'):
        leaf = leaf_of(config, loader)
        kind = leaf.config.get('type')
        if not _is_base_dataset(kind):
            found = kind or 'none'
        elif leaf.wrapper and 'val' in loader:
            found = f'{kind} in {leaf.wrapper.config["type"]}'
        else:
            continue
        raise ValueError(
            f"`{loader}.dataset` should be of a class of MMEngine's "
            'BaseDataset, so that images can be held out for the reward of a '
            f'search. Found {found}. A method without a search, '
            'such as `--method inverse-loss`, needs none.'
        )
    if 'batch_size' not in config.train_dataloader:
        raise ValueError(
            '`train_dataloader.batch_size` should be there, that of a '
            'replica follows from it. Found none.'
        )
    train = leaf_of(config, 'train_dataloader')
    return Data(train, _list_of(train.config))


def of_joined(data: Data) -> list[str]:
    """Return what is decided where the training data are joined ones."""
    joined = data.train.joined
    if joined is None:
        return []
    count = len(joined.config['datasets'])
    return [
        f'Images are held out of {data.train.place}, the first of {count} '
        'joined data sets; the others stay whole.'
    ]


def _is_base_dataset(kind: Any) -> bool:
    """Return whether a config's `type` is a class of MMEngine's."""
    if isinstance(kind, str):
        with DATASETS.switch_scope_and_registry(None) as registry:
            kind = registry.get(kind)
    return isinstance(kind, type) and issubclass(kind, BaseDataset)


def _list_of(dataset: Any) -> str:
    """Return the place of the list, beside the annotations or the images.

    In the current directory where these are on a server, since `mmada split`
    writes a file.
    """
    images = _images_of(dataset)
    on_server = '://' in images or dataset.get('backend_args')
    return f'{os.path.basename(images) if on_server else images}{LIST}'


def _images_of(dataset: Any) -> str:
    """Return the annotation file without its suffix, or the images' folder."""
    if ann_file := dataset.get('ann_file'):
        stem, suffix = os.path.splitext(joined(dataset, ann_file))
        return stem if suffix in SUFFIXES else stem + suffix
    prefix = dataset.get('data_prefix') or {}
    folder = prefix.get('img_path') or prefix.get('img') or ''
    return joined(dataset, folder)


def num_gpus(name: str, config: Config, wanted: int | None) -> int:
    """Return how many GPUs train a replica.

    That is as many as make the batch that the learning rate is meant for: by
    the name of the stock config, as `4xb2`, or by its `auto_scale_lr`.

    Args:
        name: Of the stock config.
        config: Its content.
        wanted: The number that the user wants.
    """
    if wanted is not None:
        return wanted
    each = config.train_dataloader.batch_size
    named = re.search(rf'[_-](\d+)xb{each}[_.-]', Path(name).name)
    if named:
        return int(named[1])
    batch = (config.get('auto_scale_lr') or {}).get('base_batch_size')
    return batch // each if batch and batch % each == 0 else GPUS


def data_values(
    stock: Stock, data: Data, reward: Reward, gpus: int
) -> dict[str, Any]:
    """Return the assignments for the data of a search, in their order."""
    panoptic = _without_panopticapi(stock, 'train_dataloader')
    leaf = Code(f'_base_.{data.train.place}')
    values: dict[str, Any] = dict(
        data={FIRST: leaf, 'pipeline': Code('train_pipeline')}
        if panoptic
        else leaf,
        held_out=dict(type='ImageSubset', ids_file=data.ids_file),
    )
    batch = gpus * stock.config.train_dataloader.batch_size
    values['explore_dataloader'] = {
        FIRST: Code('_base_.train_dataloader'),
        'batch_size': Noted(batch, 'of a replica, on all of its GPUs'),
        'dataset': _inside(
            data.train,
            {
                FIRST: Code('held_out'),
                'keep': 'others',
                'dataset': Code('data'),
            },
        ),
    }
    values['reward_dataloader'] = {
        FIRST: Code('_base_.val_dataloader'),
        'dataset': {
            FIRST: Code('held_out'),
            'keep': 'listed',
            'dataset': _scored(stock, data),
        },
    }
    values['reward_evaluator'] = reward.evaluator(data.train)
    return values


def _inside(leaf: Leaf, inner: dict[str, Any]) -> dict[str, Any]:
    """Return the wrappers of a data set around another one."""
    if leaf.wrapper is None:
        return inner
    stock = f'_base_.{leaf.wrapper.place}'
    outer: dict[str, Any] = {FIRST: Code(stock), 'dataset': inner}
    if 'datasets' in leaf.wrapper.config:
        others = Code(f'*{stock}.datasets[1:]')
        outer = {FIRST: Code(stock), 'datasets': [inner, others]}
    return _inside(leaf.wrapper, outer)


def _scored(stock: Stock, data: Data) -> dict[str, Any]:
    """Return the training data set, but read as the validation does."""
    scored = leaf_of(stock.config, 'val_dataloader').config
    train = data.train.config
    dataset: dict[str, Any] = {FIRST: Code('data')}
    for key, default in AS_VALIDATED.items():
        if key in scored:
            dataset[key] = Code(f'_base_.val_dataloader.dataset.{key}')
        elif key in train:
            dataset[key] = default
    if 'indices' in train:  # they count the images that are trained on
        dataset['indices'] = None
    if _without_panopticapi(stock, 'val_dataloader'):
        dataset['pipeline'] = Code('val_pipeline')
    return dataset


def _without_panopticapi(stock: Stock, loader: str) -> bool:
    return loads_panoptic(leaf_of(stock.config, loader))


def loop(
    rounds: dict[str, Any],
    controller: dict[str, Any],
    reward: Reward,
    gpus: int,
) -> dict[str, Any]:
    """Return the loop that searches and then trains.

    Args:
        rounds: What :func:`rounds_of` returns.
        controller: Config of the controller.
        reward: What it maximises.
        gpus: How many train a replica.
    """
    if 'iters_per_round' not in rounds:
        noted = Noted(rounds['num_rounds'], 'of an epoch each')
        rounds = dict(num_rounds=noted)
    exploration: dict[str, Any] = dict(
        type='ParallelExplorationLoop',
        **rounds,
        ranks_per_replica=gpus,
        target=dict(type='LossWeights', objectives=Code('objectives')),
        controller=controller,
        dataloader=Code('explore_dataloader'),
        reward_dataloader=Code('reward_dataloader'),
        reward_evaluator=Code('reward_evaluator'),
        reward_metric=_maximised(reward.keys),
    )
    return dict(
        _delete_=True,
        type='ExploreThenTrainLoop',
        training=Code('_base_.train_cfg'),
        exploration=exploration,
    )


def rounds_of(config: Config) -> dict[str, Any]:
    """Return the rounds of a search that is as long as the training.

    One is an epoch, or a twelfth of a training by iterations.
    """
    epochs = config.train_cfg.get('max_epochs')
    if epochs is not None:
        return dict(num_rounds=epochs)
    iterations = max(1, config.train_cfg.max_iters // ROUNDS)
    counts = config.optim_wrapper.get('accumulative_counts', 1)
    if counts == 1:
        return dict(num_rounds=ROUNDS, iters_per_round=iterations)
    rounded = Noted(
        -(-iterations // counts) * counts,
        f'a multiple of accumulative_counts, {counts}',
    )
    return dict(num_rounds=ROUNDS, iters_per_round=rounded)


def _maximised(keys: Sequence[str]) -> Any:
    share = round(1 / len(keys), 4)
    return keys[0] if len(keys) == 1 else dict.fromkeys(keys, share)
