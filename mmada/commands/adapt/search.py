"""The part of a config that a search needs: data, reward and loop."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from mmada.commands.adapt.panoptic import loads_panoptic
from mmada.commands.adapt.source import FIRST, Code, Noted
from mmada.commands.adapt.stock import Leaf, Stock, evaluators, leaf_of
from mmada.evaluation.subset_coco_metric import ITEMS, coco_metric_class

ROUNDS = 12
GPUS = 8
PANOPTIC = ('CocoPanopticMetric', 'PanopticQuality')
_RESAMPLES = Noted(100, 'how noisy the rewards are')
# Of the metrics that an evaluator computes, what a search maximises.
REWARDS = dict(
    bbox='coco/bbox_mAP', segm='coco/segm_mAP', proposal_fast='coco/AR@1000'
)
PANOPTIC_KEYS = (
    ('coco_panoptic/PQ',),
    tuple(
        f'coco_panoptic/{quality}{kind}'
        for quality in ('PQ', 'SQ', 'RQ')
        for kind in ('', '_th', '_st')
    ),
)


class Reward(NamedTuple):
    """What a search maximises.

    Attributes:
        evaluator: How the config names the metric's config in its base.
        panoptic: Whether it is panoptic quality.
        keys: What is maximised, in equal parts.
    """

    evaluator: str
    panoptic: bool
    keys: tuple[str, ...]


class Data(NamedTuple):
    """What a search trains on and is rewarded with.

    Attributes:
        train: The training data set.
        ann_file: Its annotation file.
        ids_file: The list of the images that are held out.
    """

    train: Leaf
    ann_file: str
    ids_file: str


def find_reward(config: Config, wanted: Sequence[str]) -> Reward:
    """Find the metric that rewards a search.

    Args:
        config: The stock config.
        wanted: Keys of its values; none for the usual ones.

    Raises:
        ValueError: If there is none that a search can use.
    """
    found: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {}
    for place, evaluator in evaluators(config, 'val_evaluator'):
        if evaluator['type'] in PANOPTIC:
            found['coco_panoptic'] = (place, *PANOPTIC_KEYS)
        elif coco_metric_class(evaluator['type']):
            names = evaluator.get('metric', 'bbox')
            names = [names] if isinstance(names, str) else names
            usual = tuple(REWARDS[n] for n in names if n in REWARDS)
            found['coco'] = place, usual, _average_precisions(names)
    if not found:
        types = [e['type'] for _, e in evaluators(config, 'val_evaluator')]
        raise ValueError(
            "`val_evaluator` should have MMDetection's CocoMetric or "
            'CocoPanopticMetric, which can reward a search. Found '
            f'{", ".join(types) or "none"}. A method without a search, such '
            'as `--method inverse-loss`, needs no reward; "Other libraries" '
            'in the documentation has a search with any other metric, '
            'written by hand.'
        )
    first = 'coco_panoptic' if 'coco_panoptic' in found else 'coco'
    prefix = wanted[0].partition('/')[0] if wanted else first
    place, usual, others = found.get(prefix, ('', (), ()))
    keys = tuple(wanted) or usual
    if not place or not {*keys} <= {*usual, *others}:
        offered = [
            key
            for _, *known in found.values()
            for keys in known
            for key in keys
        ]
        raise ValueError(
            '`--reward` should be computed by `val_evaluator`, such as '
            f'{" or ".join(dict.fromkeys(offered))}. Found '
            f'{" ".join(wanted or keys)}.'
        )
    return Reward(place, prefix == 'coco_panoptic', keys)


def _average_precisions(names: Sequence[str]) -> tuple[str, ...]:
    """Return the keys of what CocoMetric calculates of boxes and masks."""
    return tuple(
        f'coco/{name}_{item}'
        for name in names
        if name in ('bbox', 'segm')
        for item in ITEMS
    )


def find_data(config: Config) -> Data:
    """Find the data that a search holds images out of.

    Raises:
        ValueError: If they are not one data set with a JSON file.
    """
    for loader in ('train_dataloader', 'val_dataloader'):
        leaf = leaf_of(config, loader)
        file = (leaf.config or {}).get('ann_file') or ''
        if not file.endswith('.json') or (leaf.depth and 'val' in loader):
            found = file or (leaf.config or {}).get('type', 'several')
            raise ValueError(
                f'`{loader}.dataset` should be one data set with a JSON file '
                'of COCO as `ann_file`, so that images can be held out for '
                f'the reward of a search. Found {found}. A method without a '
                'search, such as `--method inverse-loss`, needs none.'
            )
    if 'batch_size' not in config.train_dataloader:
        raise ValueError(
            '`train_dataloader.batch_size` should be there, that of a '
            'replica follows from it. Found none.'
        )
    train = leaf_of(config, 'train_dataloader')
    path = _joined(train.config, train.config['ann_file'])
    stem = path.removesuffix('.json')
    return Data(train, path, f'{stem}_proxy_reward.txt')


def num_gpus(config: Config, wanted: int | None) -> int:
    """Return how many GPUs train a replica.

    That is as many as make the batch that the learning rate is meant for.
    """
    if wanted is not None:
        return wanted
    batch = (config.get('auto_scale_lr') or {}).get('base_batch_size')
    each = config.train_dataloader.batch_size
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
    values['reward_evaluator'] = _evaluator(data, reward)
    return values


def _inside(leaf: Leaf, inner: dict[str, Any]) -> dict[str, Any]:
    """Return the wrappers of a data set around another one."""
    for depth in reversed(range(leaf.depth)):
        place = f'_base_.train_dataloader{".dataset" * (depth + 1)}'
        inner = {FIRST: Code(place), 'dataset': inner}
    return inner


def _scored(stock: Stock, data: Data) -> dict[str, Any]:
    """Return the validation data set, but with the training images."""
    scored = leaf_of(stock.config, 'val_dataloader').config
    dataset: dict[str, Any] = {FIRST: Code('_base_.val_dataloader.dataset')}
    for key in ('data_root', 'ann_file', 'data_prefix'):
        if data.train.config.get(key) != scored.get(key):
            dataset[key] = Code(f"data['{key}']")
    if _without_panopticapi(stock, 'val_dataloader'):
        dataset['pipeline'] = Code('val_pipeline')
    return dataset


def _without_panopticapi(stock: Stock, loader: str) -> bool:
    return loads_panoptic(leaf_of(stock.config, loader).config)


def _evaluator(data: Data, reward: Reward) -> dict[str, Any]:
    if not reward.panoptic:
        return {
            FIRST: Code(f'_base_.{reward.evaluator}'),
            'type': 'SubsetCocoMetric',
            'ann_file': data.ann_file,
            'resamples': _RESAMPLES,
        }
    config = data.train.config
    return dict(
        type='PanopticQuality',
        ann_file=data.ann_file,
        seg_prefix=_joined(config, config['data_prefix']['seg']),
        classes_of=Noted('ground_truth', 'the same for all replicas'),
        resamples=_RESAMPLES,
    )


def loop(
    stock: Stock, controller: dict[str, Any], reward: Reward, gpus: int
) -> dict[str, Any]:
    """Return the loop that searches and then trains.

    Args:
        stock: The stock config.
        controller: Config of the controller.
        reward: What it maximises.
        gpus: How many train a replica.
    """
    exploration: dict[str, Any] = dict(
        type='ParallelExplorationLoop', **_rounds(stock.config)
    )
    exploration |= dict(
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


def _rounds(config: Config) -> dict[str, Any]:
    """Return the rounds of a search that is as long as the training."""
    epochs = config.train_cfg.get('max_epochs')
    if epochs is not None:
        return dict(num_rounds=Noted(epochs, 'of an epoch each'))
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


def _joined(dataset: Any, path: str) -> str:
    """Return a path of a data set below its root, as MMEngine joins them."""
    return str(Path(dataset.get('data_root') or '') / path)
