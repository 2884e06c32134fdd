"""Evaluates checkpoints as an exploration evaluates its replicas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from mmengine.device import get_device
from mmengine.model import revert_sync_batchnorm
from mmengine.registry import MODELS
from torch import nn

from mmada.diagnostics.reward import rules
from mmada.diagnostics.reward.class_amounts import Census, CensusTaker
from mmada.diagnostics.reward.loading import LoadReport, load_weights
from mmada.diagnostics.reward.rules import Finding
from mmada.engine.rewards.reward_check import class_findings
from mmada.engine.rewards.reward_check.source import (
    RewardSource,
    build_evaluator,
)
from mmada.engine.rewards.reward_evaluator import RewardEvaluator


class CheckpointReport(NamedTuple):
    """What was seen of a checkpoint.

    Attributes:
        path: The checkpoint.
        loaded: How it fits the model.
        metrics: All numbers of the evaluation.
        value: What is maximised; None if there is none.
        census: How much of each class was predicted; None for models that
            predict neither panoptic maps nor boxes.
        findings: What is wrong with it.
    """

    path: str
    loaded: LoadReport
    metrics: dict[str, float]
    value: float | None
    census: Census | None
    findings: tuple[Finding, ...]


def check_checkpoints(
    model_config: Mapping[str, Any],
    source: RewardSource,
    paths: Sequence[str],
    max_images: int | None = None,
) -> tuple[list[CheckpointReport], tuple[Finding, ...]]:
    """Scores checkpoints and looks for what cannot be right.

    Args:
        model_config: Config of the detector, bare or wrapped.
        source: What it is scored with.
        paths: Checkpoints, of the detector bare or wrapped.
        max_images: Takes the first images only; None for all.

    Returns:
        A report on each, and what is wrong with their rewards together.

    Raises:
        OSError: If a file cannot be read.
        ValueError: If the evaluator does not give what is maximised.
    """
    evaluator = build_evaluator(source, max_images)
    rewarded = source.metric is not None
    reports = [
        _check(MODELS.build(model_config), path, evaluator, rewarded)
        for path in paths
    ]
    if not rewarded:
        return reports, ()
    rewards = [report.value for report in reports]
    return reports, tuple(rules.rewards_equal(rewards))


def _check(
    model: nn.Module, path: str, evaluator: RewardEvaluator, rewarded: bool
) -> CheckpointReport:
    model = revert_sync_batchnorm(model)
    loaded = load_weights(model, path)
    taker = CensusTaker(model.to(get_device()), evaluator.dataloader.dataset)
    score = evaluator.score(taker)
    if rewarded:
        evaluator.metric.check(score.metrics)
    report = CheckpointReport(
        path,
        loaded,
        score.metrics,
        score.value if rewarded else None,
        taker.census(),
        (),
    )
    found = _judge(report, rewarded, _threshold(model))
    return report._replace(findings=tuple(found))


def _judge(
    report: CheckpointReport, rewarded: bool, threshold: float | None
) -> Iterator[Finding]:
    yield from rules.weights_missing(report.loaded)
    yield from rules.weights_not_finite(report.loaded)
    if rewarded:
        yield from rules.reward_missing(report.value, report.metrics)
    yield from rules.quality_near_zero(report.metrics)
    yield from rules.quality_implausible(report.metrics)
    yield from rules.one_kind_missing(report.metrics)
    if report.census is not None:
        yield from class_findings.all_void(report.census)
        yield from class_findings.one_class(report.census)
        yield from class_findings.no_things(report.census, threshold)
        yield from class_findings.other_amounts(report.census)
        yield from class_findings.category_order(report.census)


def _threshold(model: nn.Module) -> float | None:
    """Returns the score below which a two-stage detector drops a box."""
    bare = getattr(model, 'detector', model)
    options = getattr(getattr(bare, 'roi_head', None), 'test_cfg', None) or {}
    return options.get('score_thr')
