"""What a search maximises, by the metrics of a stock config."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.utils.path import is_abs

from mmada.commands.adapt.source import FIRST, Code, Noted
from mmada.commands.adapt.stock import Leaf, evaluators, type_of
from mmada.evaluation.subset_coco_metric import ITEMS, coco_metric_class

SEMANTIC_KEYS = tuple(
    f'semantic/{name}'
    for name in ('mIoU', 'FWIoU', 'mAcc', 'gAcc', 'BIoU', 'BF1')
)
PANOPTIC_KEYS = tuple(
    f'coco_panoptic/{quality}{kind}'
    for quality in ('PQ', 'SQ', 'RQ')
    for kind in ('', '_th', '_st')
)
COCO_KEYS = dict(
    bbox='coco/bbox_mAP', segm='coco/segm_mAP', proposal_fast='coco/AR@1000'
)
_RESAMPLES = Noted(100, 'how noisy the rewards are')
# Options of a metric that writes results, in place of a metric or beside it,
# where replicas of other ranks would write the same file.
_WRITES = dict(format_only=False, outfile_prefix=None)
_CLASSES = Noted('ground_truth', 'the same for all replicas')


class Reward(NamedTuple):
    """What a search maximises.

    Attributes:
        keys: Of the metrics, which count alike.
        evaluator: The config of what computes them, for a search config, by
            the training data.
        known: Whether the metric is known to have these keys.
    """

    keys: tuple[str, ...]
    evaluator: Callable[[Leaf], Any]
    known: bool = True


class _Metric(NamedTuple):
    """A metric of the stock config that can reward a search.

    Attributes:
        usual: Keys that are maximised unless others are wanted.
        keys: All of them.
        evaluator: As that of :class:`Reward`.
    """

    usual: tuple[str, ...]
    keys: tuple[str, ...]
    evaluator: Callable[[Leaf], Any]


def find_reward(config: Config, wanted: Sequence[str]) -> Reward:
    """Find the metric that rewards a search.

    Args:
        config: The stock config.
        wanted: Keys of its values; none for the usual ones.

    Raises:
        ValueError: If there is none that a search can use.
    """
    places = list(evaluators(config, 'val_evaluator'))
    metrics = [found for each in places if (found := _metric(*each))]
    # Panoptic quality speaks of boxes and masks, too.
    metrics.sort(key=lambda metric: metric.keys != PANOPTIC_KEYS)
    for metric in metrics:
        keys = tuple(wanted) or metric.usual
        if keys and {*keys} <= {*metric.usual, *metric.keys}:
            return Reward(keys, metric.evaluator)
    if metrics:
        unknown = [e['type'] for p, e in places if not _metric(p, e)]
        raise ValueError(_not_of_known(metrics, unknown, wanted))
    _check_unknown([evaluator for _, evaluator in places], wanted)
    stock = Code('_base_.val_evaluator')
    return Reward(tuple(wanted), lambda train: stock, known=False)


def _not_of_known(
    metrics: Sequence[_Metric], unknown: Sequence[str], wanted: Sequence[str]
) -> str:
    offered = [k for metric in metrics for k in metric.usual + metric.keys]
    text = (
        '`--reward` should be computed by `val_evaluator`, such as '
        f'{" or ".join(dict.fromkeys(offered))}. Found '
        f'{" ".join(wanted) or "none of them"}.'
    )
    if not unknown:
        return text
    return (
        f'{text} The values of {" and ".join(unknown)} are not known: to '
        'maximise one, name one of these, and change `reward_evaluator` and '
        '`reward_metric` of the config that is written.'
    )


def _check_unknown(metrics: Sequence[Any], wanted: Sequence[str]) -> None:
    """Check that metrics whose values are not known can reward a search."""
    for metric in metrics:
        if metric.get('ann_file'):
            raise ValueError(
                '`val_evaluator` should have a metric that can score other '
                f'images than those of its `ann_file`. Found {metric["type"]} '
                f'of {metric["ann_file"]}. A method without a search, such '
                'as `--method inverse-loss`, needs no reward; "Other '
                'libraries" in the documentation has a search written by '
                'hand, with an annotation file of the held-out images.'
            )
        if metric.get('format_only'):
            raise ValueError(
                '`val_evaluator` should have a metric that gives values. '
                f'Found {metric["type"]} with `format_only=True`, which '
                'writes results alone: set it to False.'
            )
    if not metrics:
        raise ValueError(
            '`val_evaluator` should have a metric, to reward a search. Found '
            'none. A method without a search, such as `--method '
            'inverse-loss`, needs none.'
        )
    if not wanted:
        found = ', '.join(metric['type'] for metric in metrics)
        raise ValueError(
            '`--reward` should name the value of `val_evaluator` that the '
            'search maximises, as the validation logs it, such as '
            f'accuracy/top1. Found none, and {found}.'
        )


def _metric(place: str, evaluator: Any) -> _Metric | None:
    """Return the metric of a config, None if it is not known."""
    kind = type_of(evaluator)
    if kind in ('CocoPanopticMetric', 'PanopticQuality'):
        return _Metric(PANOPTIC_KEYS[:1], PANOPTIC_KEYS, _panoptic_quality)
    if kind in ('IoUMetric', 'SegmentationQuality'):
        return _Metric(
            SEMANTIC_KEYS[:1],
            SEMANTIC_KEYS,
            lambda train: _segmentation_quality(place, evaluator),
        )
    if kind == 'VOCMetric':
        return _Metric(
            ('pascal_voc/mAP',),
            ('pascal_voc/mAP',),
            lambda train: Code(f'_base_.{place}'),
        )
    if not coco_metric_class(evaluator['type']):
        return None
    names = evaluator.get('metric', 'bbox')
    names = [names] if isinstance(names, str) else names
    return _Metric(
        tuple(COCO_KEYS[name] for name in names if name in COCO_KEYS),
        _average_precisions(names),
        lambda train: _subset_coco(place, evaluator, train),
    )


def _subset_coco(place: str, evaluator: Any, train: Leaf) -> dict[str, Any]:
    own: dict[str, Any] = dict(type='SubsetCocoMetric')
    if evaluator.get('ann_file'):  # else the truth is that of the data set
        own['ann_file'] = joined(train.config, train.config['ann_file'])
    own |= {key: off for key, off in _WRITES.items() if evaluator.get(key)}
    return {FIRST: Code(f'_base_.{place}'), **own, 'resamples': _RESAMPLES}


def _average_precisions(names: Sequence[str]) -> tuple[str, ...]:
    """Return the keys of what CocoMetric calculates of boxes and masks."""
    return tuple(
        f'coco/{name}_{item}'
        for name in names
        if name in ('bbox', 'segm')
        for item in ITEMS
    )


def _panoptic_quality(train: Leaf) -> dict[str, Any]:
    config = train.config
    return dict(
        type='PanopticQuality',
        ann_file=joined(config, config['ann_file']),
        seg_prefix=joined(config, config['data_prefix']['seg']),
        classes_of=_CLASSES,
        resamples=_RESAMPLES,
    )


def _segmentation_quality(place: str, evaluator: Any) -> dict[str, Any]:
    if type_of(evaluator) == 'SegmentationQuality':
        return {FIRST: Code(f'_base_.{place}'), 'classes_of': _CLASSES}
    kept = {k: v for k, v in evaluator.items() if k == 'ignore_index'}
    return dict(type='SegmentationQuality', **kept, classes_of=_CLASSES)


def joined(dataset: Any, path: str) -> str:
    """Return a path of a data set below its root, as MMEngine joins them."""
    if not is_abs(path):
        path = os.path.join(dataset.get('data_root') or '', path)
    return path.rstrip('/')
