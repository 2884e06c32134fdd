"""Evaluation of checkpoints as an exploration evaluates its replicas."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mmengine.device import get_device
from mmengine.evaluator import Evaluator
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import DATASETS, MODELS
from torch import nn
from torch.utils.data import Dataset

from mmada.datasets.class_images import classes_left_out, count_class_images
from mmada.diagnostics.reward import rules
from mmada.diagnostics.reward.class_amounts import AmountCounter, ClassAmounts
from mmada.diagnostics.reward.class_qualities import (
    class_iou,
    split_by_class,
    with_classes,
)
from mmada.diagnostics.reward.loading import LoadReport, load_weights
from mmada.diagnostics.reward.rules import Finding
from mmada.engine.loops import search_configs
from mmada.engine.reward import RewardEvaluator


class RewardSource(NamedTuple):
    """Data and metrics that a config scores a model with.

    Attributes:
        dataloader: Config of the data.
        evaluator: Config of the metrics.
        metric: What is maximised; None if the config does not say.
        explores: Whether they are those of an exploration.
        training: Config of the training data; None without an exploration.
    """

    dataloader: dict[str, Any]
    evaluator: Any
    metric: str | Mapping[str, float] | None
    explores: bool
    training: dict[str, Any] | None = None


def find_reward(config: Mapping[str, Any]) -> RewardSource:
    """Return the rewards of a config's (first) exploration.

    A config without one is scored on its test data.

    Args:
        config: A whole config.

    Raises:
        ValueError: If there are neither rewards nor test data.
    """
    found = search_configs(config.get('train_cfg') or {})[0]
    if 'reward_dataloader' in found:
        return RewardSource(
            found['reward_dataloader'],
            found['reward_evaluator'],
            found.get('reward_metric', 'coco_panoptic/PQ'),
            explores=True,
            training=found.get('dataloader') or config.get('train_dataloader'),
        )
    missing = [
        key
        for key in ('test_dataloader', 'test_evaluator')
        if not config.get(key)
    ]
    if missing:
        raise ValueError(
            'the config should have an exploration with reward_dataloader, '
            'or test_dataloader and test_evaluator. Found no '
            f'{" and no ".join(missing)}.'
        )
    return RewardSource(
        config['test_dataloader'],
        config['test_evaluator'],
        None,
        explores=False,
    )


def build_evaluator(
    source: RewardSource, max_images: int | None
) -> RewardEvaluator:
    """Build what an exploration would score its replicas with.

    Args:
        source: Its configs.
        max_images: Keeps the first images only; None for all.
    """
    dataloader = copy.deepcopy(source.dataloader)
    if max_images is not None:
        whole = DATASETS.build(dataloader['dataset'])
        dataloader['dataset'] = FirstImages(whole, max_images)
    metrics = with_classes(Evaluator(source.evaluator).metrics)
    # The name plays no part in what is measured.
    metric = source.metric or 'coco_panoptic/PQ'
    return RewardEvaluator(dataloader, metrics, metric, seed=0)


class FirstImages(Dataset):
    """The first images of a dataset.

    Args:
        dataset: The whole.
        count: How many to keep; all if there are fewer.
    """

    def __init__(self, dataset: Any, count: int) -> None:
        if hasattr(dataset, 'full_init'):
            dataset.full_init()
        self.dataset = dataset
        self.count = min(count, len(dataset))
        self.metainfo = getattr(dataset, 'metainfo', None)

    def __len__(self) -> int:
        """Return the number of images kept."""
        return self.count

    def __getitem__(self, index: int) -> Any:
        """Return what the pipeline makes of an image."""
        return self.dataset[index]

    def get_data_info(self, index: int) -> dict[str, Any]:
        """Return the annotation of an image."""
        return self.dataset.get_data_info(index)


class CheckpointReport(NamedTuple):
    """What was seen of a checkpoint.

    Attributes:
        path: The checkpoint.
        loaded: How it fits the model.
        metrics: The numbers of the evaluation, without those of classes.
        qualities: PQ, AP or IoU of each class, as far as it is known.
        value: What is maximised; None if there is none.
        amounts: How much of each class was predicted; None for models that
            predict neither maps nor boxes.
        findings: What is wrong with it.
    """

    path: str
    loaded: LoadReport
    metrics: dict[str, float]
    qualities: dict[str, float]
    value: float | None
    amounts: ClassAmounts | None
    findings: tuple[Finding, ...]


def check_checkpoints(
    model_config: Mapping[str, Any],
    source: RewardSource,
    paths: Sequence[str],
    max_images: int | None = None,
) -> tuple[list[CheckpointReport], tuple[Finding, ...]]:
    """Score checkpoints and look for what cannot be right.

    Args:
        model_config: Config of the detector, bare or wrapped.
        source: What it is scored with.
        paths: Checkpoints, of the detector bare or wrapped.
        max_images: Takes the first images only; None for all.

    Returns:
        A report on each, and what is wrong with the reward itself.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If the evaluator does not give what is maximised.
    """
    evaluator = build_evaluator(source, max_images)
    rewarded = source.metric is not None
    dataset = evaluator.dataloader.dataset
    images = count_class_images(dataset, open_maps=True) if rewarded else None
    reports = [
        _check(MODELS.build(model_config), path, evaluator, rewarded, images)
        for path in paths
    ]
    if not rewarded:
        return reports, ()
    found = _find_faults_of_images(dataset, images, source)
    rewards = [report.value for report in reports]
    return reports, (*found, *rules.rewards_equal(rewards))


def _find_faults_of_images(
    dataset: Any, images: dict[str, int] | None, source: RewardSource
) -> Iterator[Finding]:
    """Look at all reward images, even if only the first are scored."""
    if isinstance(dataset, FirstImages):
        dataset = dataset.dataset
        images = count_class_images(dataset, open_maps=True)
    number = len(dataset)
    yield from rules.few_images(number)
    if images is None:
        return
    yield from rules.classes_left_out(_left_out(images, source), number)
    if number >= rules.FEW_IMAGES:
        yield from rules.classes_on_one_image(images)


def _left_out(images: Mapping[str, int], source: RewardSource) -> list[str]:
    """Return the classes without a reward image that the training has."""
    if all(images.values()) or source.training is None:
        return classes_left_out(images, None)
    # All their annotations are read, so only where a class is missing.
    training = DATASETS.build(source.training['dataset'])
    trained = count_class_images(training, open_maps=True)
    return classes_left_out(images, trained)


def _check(
    model: nn.Module,
    path: str,
    evaluator: RewardEvaluator,
    rewarded: bool,
    images: Mapping[str, int] | None,
) -> CheckpointReport:
    model = revert_sync_batchnorm(model)
    loaded = load_weights(model, path)
    dataset = evaluator.dataloader.dataset
    counter = AmountCounter(model.to(get_device()), dataset)
    score = evaluator.score(counter)
    if rewarded:
        evaluator.metric.check(score.metrics)
    classes = (getattr(dataset, 'metainfo', None) or {}).get('classes', ())
    metrics, qualities = split_by_class(score.metrics, classes)
    amounts = counter.amounts()
    if amounts is not None and amounts.measure == 'IoU':
        qualities = class_iou(amounts)
    report = CheckpointReport(
        path,
        loaded,
        metrics,
        qualities,
        score.value if rewarded else None,
        amounts,
        (),
    )
    found = [*_find_faults(report, rewarded, _threshold(model))]
    if images is not None:
        found += rules.classes_not_found(qualities, images, len(dataset))
    return report._replace(findings=tuple(found))


def _find_faults(
    report: CheckpointReport, rewarded: bool, threshold: float | None
) -> Iterator[Finding]:
    yield from rules.weights_missing(report.loaded)
    yield from rules.weights_not_finite(report.loaded)
    if rewarded:
        yield from rules.reward_missing(report.value, report.metrics)
    yield from rules.quality_near_zero(report.metrics)
    yield from rules.precision_near_zero(report.metrics)
    yield from rules.quality_implausible(report.metrics)
    yield from rules.one_kind_missing(report.metrics)
    if report.amounts is not None:
        yield from rules.all_void(report.amounts)
        yield from rules.one_class(report.amounts)
        yield from rules.no_things(report.amounts, threshold)
        yield from rules.other_amounts(report.amounts)
        yield from rules.category_order(report.amounts)


def _threshold(model: nn.Module) -> float | None:
    """Return the score below which a two-stage detector drops a box."""
    bare = getattr(model, 'detector', model)
    options = getattr(getattr(bare, 'roi_head', None), 'test_cfg', None) or {}
    return options.get('score_thr')
