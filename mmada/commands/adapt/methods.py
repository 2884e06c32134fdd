"""What each method adds to a stock config, as a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

Hook = dict[str, Any]


class Method(NamedTuple):
    """A way to set the weights.

    Attributes:
        summary: What it does, for a comment and the help.
        hook: Returns the hook for a number of objectives, which is 0 where
            that is not known; None for a method without.
        every_iteration: Whether the weights change at every iteration.
        controller: Returns that of a search before the training, for as many
            objectives; None without a search.
        model: Changes of a segmentor's model, if there are any.
        needs: What it costs or needs beside the training itself.
    """

    summary: str
    hook: Callable[[int], Hook] | None = None
    every_iteration: bool = False
    controller: Callable[[int], dict[str, Any]] | None = None
    model: dict[str, Any] | None = None
    needs: str = ''


def _step(**weighting: Any) -> Callable[[int], Hook]:
    return lambda n: dict(type='StepWeightingHook', weighting=weighting)


def _epoch(**weighting: Any) -> Callable[[int], Hook]:
    return lambda n: dict(type='LossWeightingHook', weighting=weighting)


def _gradient(**weighting: Any) -> Callable[[int], Hook]:
    return lambda n: dict(type='GradientWeightingHook', weighting=weighting)


def _famo(n: int) -> Hook:
    # Weights of mean 1, so that the learning rate keeps its meaning.
    total = dict(total=float(n)) if n else {}
    return dict(type='StepWeightingHook', weighting=dict(type='Famo', **total))


def _slope(n: int) -> dict[str, Any]:
    # Two replicas, one opposite the other, for each of the n - 1 directions,
    # and the one at the centre.
    replicas = max(5, 2 * n - 1) if n else 9
    return dict(type='SlopeSearch', num_replicas=replicas)


def _policy(mode: str) -> Callable[[int], Hook]:
    return lambda n: dict(type='PolicyWeightingHook', mode=mode)


METHODS = {
    'uncertainty': Method(
        'Uncertainty weighting: the weights are learned beside the network.',
        _step(type='UncertaintyWeighting', normalize='mean'),
        every_iteration=True,
    ),
    'inverse-loss': Method(
        'Weights inverse to the losses of the epoch before.',
        _epoch(type='InverseLossWeighting'),
        needs='a pseudo epoch before the first one',
    ),
    'dwa': Method(
        'Dynamic weight average: more for losses that fell little.',
        _epoch(type='DynamicWeightAverage'),
    ),
    'random': Method(
        'Random loss weighting: other weights in every iteration.',
        _step(type='RandomLossWeighting'),
        every_iteration=True,
    ),
    'famo': Method(
        'FAMO: equal progress of all losses.',
        _famo,
        every_iteration=True,
        needs='a second forward pass in every iteration',
    ),
    'gradnorm': Method(
        'GradNorm: gradients of the shared layers become equal in size.',
        _gradient(type='GradNorm'),
        every_iteration=True,
        needs='a backward pass for each objective in every iteration',
    ),
    'upgrad': Method(
        'UPGrad: no loss is raised for the sake of another.',
        _gradient(type='AggregatorWeighting', aggregator='UPGrad'),
        every_iteration=True,
        needs='TorchJD (the extra `torchjd`), and a backward pass for each '
        'objective in every iteration',
    ),
    'policy': Method(
        'The weights of a policy file, as an earlier search wrote it.',
        _policy('pred'),
        needs='a pseudo epoch before the first one',
    ),
    'slope': Method(
        'A search by whole trainings, then a training with what it found.',
        _policy('pred'),
        controller=_slope,
        needs='a training for each replica',
    ),
    'ada-segment': Method(
        'Ada-Segment: a policy learned round by round, then a training.',
        _policy('comb'),
        controller=lambda n: dict(type='AdaSegment', num_replicas=8),
        needs='a training for each replica',
    ),
    'asl': Method(
        'Auto Seg-Loss: a released loss in the shape of mIoU.',
        model=dict(type='AutoSegLoss', metric='mIoU', theta='voc_miou'),
    ),
}
