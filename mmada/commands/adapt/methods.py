"""What each method adds to a stock config, as a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from mmada.commands.adapt.source import Code, Noted


class Setting(NamedTuple):
    """What the controller of a search depends on.

    Attributes:
        num_objectives: How many losses are weighted; 0 if it is not known.
        num_rounds: Rounds of a training.
        from_ones: Whether the search begins at weights of 1.
    """

    num_objectives: int
    num_rounds: int
    from_ones: bool


class Method(NamedTuple):
    """A way to set the weights.

    Attributes:
        summary: What it does, for a comment.
        hook: The hook that sets the weights; None for a method without.
        every_iteration: Whether the weights change at every iteration.
        proposals: Whether the losses of region proposals are weighted, too.
        controller: Returns that of a search before the training; None without
            a search.
        loss: The loss that a segmentor is given; None where it keeps its own.
        needs: What it takes beside the training itself.
        any_sign: Whether losses may be negative.
        measured_with: The optimizer of the benchmark's rows, for methods that
            it found a gain of.
    """

    summary: str
    hook: dict[str, Any] | None = None
    every_iteration: bool = False
    proposals: bool = False
    controller: Callable[[Setting], dict[str, Any]] | None = None
    loss: dict[str, Any] | None = None
    needs: str = ''
    any_sign: bool = False
    measured_with: str = ''


def _step(**weighting: Any) -> dict[str, Any]:
    return dict(type='StepWeightingHook', weighting=weighting)


def _epoch(**weighting: Any) -> dict[str, Any]:
    return dict(type='LossWeightingHook', weighting=weighting)


def _gradient(**weighting: Any) -> dict[str, Any]:
    return dict(type='GradientWeightingHook', weighting=weighting)


def _slope(setting: Setting) -> dict[str, Any]:
    # Two replicas, one opposite the other, for each of the n - 1 directions,
    # the one at the centre, and a control unless that has all weights 1.
    replicas = 2 * setting.num_objectives or 10
    return dict(
        type='SlopeSearch',
        num_replicas=replicas - setting.from_ones,
        **_start(setting),
    )


def _ada_segment(setting: Setting) -> dict[str, Any]:
    return dict(type='AdaSegment', num_replicas=8, **_start(setting))


def _start(setting: Setting) -> dict[str, Any]:
    note = 'weights of 1: auxiliary losses are meant to be small'
    return dict(start=Noted(0.0, note)) if setting.from_ones else {}


def _random_search(setting: Setting) -> dict[str, Any]:
    # The start and four others, as in the benchmark, and a control unless
    # the start has all weights 1.
    start = dict(initial='inverse_loss', control=True)
    return dict(
        type='RandomSearch',
        num_replicas=5 if setting.from_ones else 6,
        rounds_per_training=setting.num_rounds,
        low=Code('1 / 3'),
        high=3.0,
        **({} if setting.from_ones else start),
    )


_PSEUDO = 'a pseudo epoch before the first one'

METHODS = {
    'inverse-loss': Method(
        'Weights inverse to the losses of the epoch before.',
        _epoch(type='InverseLossWeighting'),
        needs=_PSEUDO,
        measured_with='AdamW',
    ),
    'uncertainty': Method(
        'Uncertainty weighting: the weights are learned beside the network.',
        _step(
            type='UncertaintyWeighting',
            normalize=Noted('mean', "as published: 'none'"),
        ),
        every_iteration=True,
        measured_with='AdamW',
    ),
    'dwa': Method(
        'Dynamic weight average: more for losses that fell little.',
        _epoch(type='DynamicWeightAverage'),
    ),
    'random': Method(
        'Random loss weighting: other weights in every iteration.',
        _step(type='RandomLossWeighting'),
        every_iteration=True,
        any_sign=True,
    ),
    'famo': Method(
        'FAMO: equal progress of all losses.',
        _step(type='Famo'),
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
        any_sign=True,
        needs='TorchJD (the extra `torchjd`), and a backward pass for each '
        'objective in every iteration',
    ),
    'slope': Method(
        'A search by whole trainings, then a training with what it found.',
        dict(type='PolicyWeightingHook', mode='pred'),
        proposals=True,
        controller=_slope,
    ),
    'random-search': Method(
        'Static weights: the best of a few trainings, then another with them.',
        dict(type='PolicyWeightingHook', mode='pred'),
        proposals=True,
        controller=_random_search,
    ),
    'ada-segment': Method(
        'Ada-Segment: a policy learned round by round, then a training.',
        dict(type='PolicyWeightingHook', mode='comb'),
        controller=_ada_segment,
    ),
    'policy': Method(
        'The weights of a policy file, as an earlier search wrote it.',
        dict(type='PolicyWeightingHook', mode='pred'),
        needs=_PSEUDO,
    ),
    'asl': Method(
        'Auto Seg-Loss: a released loss in the shape of mIoU.',
        loss=dict(type='AutoSegLoss', metric='mIoU', theta='voc_miou'),
    ),
}
