"""The rows of the comparison and their searches, as data.

Several rows may use one search. The rows `design` are trainings that show
what each weight is worth, and when: around all ones, every factor is raised
in half of the trainings and lowered in the other half, all at once and none
together with another, so that each effect is a difference of two means over
all trainings.
"""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np
from candidates import CANDIDATE_ROWS, CANDIDATE_SEARCHES
from equal_terms import EQUAL_ROWS, EQUAL_SEARCHES, RANDOM_HYPERBAND
from method import (
    GRID_VALUES,
    HEAD_RULE_OFF,
    PROPOSALS,
    SEGMENTATION,
    Method,
    Options,
    Search,
    draw_of_seed,
    mean_one,
)
from mmengine.config import Config
from scipy.linalg import hadamard
from variants import CORRECTED, VARIANTS

from mmada.models import build_objectives

KINDS = ('cls', 'bbox', 'mask', 'seg', 'rpn')
FACTORS = (
    *KINDS,
    'stages',
    *(f'{name}, early' for name in (*KINDS, 'stages')),
    'trunk',
)
"""Weights of a kind; the first stage against the last; both in the first half
of a training against the second; the trunk's learning rate."""
LEVEL = 0.69
"""Log of the factor by which a weight is raised or lowered; the halves of a
training are that far apart, and the trunk's rate is half as far."""
SIZE = 16
STAGES = 3
SGD_LRS = (0.01, 0.03, 0.1)
SGD_LR = 0.03
"""The one of them that is best for ones on `tuning`."""

GRID_SIZE = math.prod(map(len, GRID_VALUES))
OURS, R_IMP = 'Ada-Segment', 'paper without r_imp'
_STABLE = dict(type='AdaSegment', preset='stable')
# As the rows were measured: one step, and no centre point.
_PAPER = dict(
    type='AdaSegment',
    preset='paper',
    updates_per_round=1,
    first_reference='pseudo',
)
_SLOPE = dict(type='SlopeSearch', noise=0.5, centre=False, control=False)

SEARCHES: dict[str, Search] = {
    OURS: Search(_STABLE, grouped=True),
    'SlopeSearch': Search(_SLOPE, grouped=True),
    # Twice as many replicas as directions: curvature is no slope.
    'SlopeSearch +rpn': Search(_SLOPE, replicas=8, grouped=True, rpn=True),
    # All ones to start with: losses have to come on good scales.
    'SlopeSearch from ones': Search(
        dict(_SLOPE, start=0.0), replicas=8, grouped=True, rpn=True
    ),
    'paper': Search(_PAPER),
    R_IMP: Search(dict(_PAPER, reward='local')),
    'head rule off': Search(_STABLE, grouped=True, options=HEAD_RULE_OFF),
    'no learning': Search(dict(_STABLE, kl_limit=0.0), grouped=True),
    'shuffled rewards': Search(
        dict(type='ShuffledRewards', controller=_STABLE), grouped=True
    ),
    'random weights': Search(dict(type='RandomWeights')),
    'PBT': Search(dict(type='PopulationTraining')),
    'AM-LFS': Search(dict(type='AmLfs')),
    'Baseline-G': Search(dict(type='GridSearch'), GRID_SIZE, grid=True),
    # Candidates start only where a whole training still fits. The model
    # proposes none of them, for that takes more than n + 2.
    'BOHB': Search(
        dict(type='BohbSearch'), length=2, told='rounds_per_training'
    ),
    'random': Search(dict(type='RandomSearch'), trainings=4),
    'static tuned': Search(dict(type='RandomSearch'), trainings=GRID_SIZE),
    **EQUAL_SEARCHES,
    **CANDIDATE_SEARCHES,
}


def _weighted(weighting: str, kind: str = 'Loss', **options: Any) -> Options:
    return dict(
        type=f'{kind}WeightingHook', weighting=dict(type=weighting, **options)
    )


def _aggregated(aggregator: str, **options: Any) -> Options:
    return _weighted(
        'AggregatorWeighting',
        'Gradient',
        aggregator=aggregator,
        options=options,
    )


def _policy(mode: str, **options: Any) -> Options:
    # A control that learns nothing is a row as well.
    return dict(
        type='PolicyWeightingHook', mode=mode, fallback='policy', **options
    )


def _third_of_rpn(cfg: Config, weights: list[list[float]]) -> None:
    objectives = build_objectives(cfg.model.objectives)
    assert objectives is not None
    cfg.custom_hooks[-1].weighting.factors = [
        1 / 3 if name == PROPOSALS else 1.0 for name in objectives.names
    ]


def _mean_weights(cfg: Config, weights: list[list[float]]) -> None:
    means = [statistics.fmean(column) for column in zip(*weights, strict=True)]
    cfg.custom_hooks[-1].weighting.weights = means


def _one_times(
    name: str, objective: str, factor: float, **fields: Any
) -> Method:
    """Return static weights of mean 1, all but one of them the same."""

    def edit(cfg: Config, weights: list[list[float]]) -> None:
        objectives = build_objectives(cfg.model.objectives)
        assert objectives is not None
        values = [1.0] * len(objectives)
        values[objectives.names.index(objective)] = factor
        mean = statistics.fmean(values)
        values = [value / mean for value in values]
        cfg.custom_hooks[-1].weighting.weights = values

    name = f'{name} x{factor:g}'
    hook = _weighted('StaticWeighting')
    return Method(name, 'balance', hook, edit=edit, **fields)


def _scaled_trunk(cfg: Config, weights: list[list[float]]) -> None:
    mean = statistics.fmean(w for row in weights for w in row)
    for part in cfg.optim_wrapper.paramwise_cfg.custom_keys.values():
        part.lr_mult *= mean


def _sgd(lr: float) -> Options:
    optimizer = dict(type='SGD', lr=lr, momentum=0.9, weight_decay=0.0001)
    return {'optim_wrapper.optimizer': dict(optimizer, _delete_=True)}


def sgd_rows() -> list[Method]:
    """Return ones at several rates of SGD, and the free rules at one."""
    rows = [
        Method(f'ones, SGD {lr:g}', 'SGD', options=_sgd(lr)) for lr in SGD_LRS
    ]
    rules = [
        Method(
            'uncertainty +rpn, mean 1, SGD',
            'SGD',
            _weighted('UncertaintyWeighting', _STEP),
            rpn=True,
            options=_sgd(SGD_LR),
        ),
        Method(
            'inverse-loss of kinds, SGD',
            'SGD',
            _weighted('InverseLossWeighting'),
            kinds=True,
            options=_sgd(SGD_LR),
        ),
    ]
    return [*rows, *rules]


def design() -> np.ndarray:
    """Return the levels, -1 or 1: a row a training, a column a factor.

    A Hadamard matrix without its constant column: the effects are free of each
    other, not of what two factors do together. The last columns have no
    factor; what they show is chance, or such pairs.
    """
    return hadamard(SIZE)[:, 1:]


def weights_of(levels: dict[str, int]) -> dict[str, tuple[float, float]]:
    """Return the weights of each objective in both halves of a training.

    Args:
        levels: Of each factor.
    """
    weights = {}
    for kind in KINDS:
        staged = kind in ('cls', 'bbox', 'mask')
        for stage in range(STAGES if staged else 1):
            slope = 1 - stage if staged else 0
            level = levels[kind] + slope * levels['stages']
            early = levels[f'{kind}, early'] + slope * levels['stages, early']
            weights[f's{stage}.{kind}' if staged else kind] = (
                math.exp(LEVEL * (level + early / 2)),
                math.exp(LEVEL * (level - early / 2)),
            )
    return weights


def design_rows() -> list[Method]:
    """Return the trainings as rows of the comparison."""
    return [
        _design_row(index, dict(zip(FACTORS, map(int, levels), strict=False)))
        for index, levels in enumerate(design())
    ]


def _design_row(index: int, levels: dict[str, int]) -> Method:
    schedules = {
        name: dict(points=[[0, first], [0.5, second]], shape='hold')
        for name, (first, second) in weights_of(levels).items()
    }

    def edit(cfg: Config, weights: list[list[float]]) -> None:
        for part in cfg.optim_wrapper.paramwise_cfg.custom_keys.values():
            part.lr_mult *= math.exp(LEVEL / 2 * levels['trunk'])

    weighting = dict(type='ScheduledWeighting', schedules=schedules)
    hook = dict(type='StepWeightingHook', weighting=weighting)
    return Method(f'design {index}', 'design', hook, edit=edit, rpn=True)


_STEP, _GRADIENT = 'Step', 'Gradient'
# As the rows were measured.
_UNCERTAINTY = _weighted('UncertaintyWeighting', _STEP, normalize='none')
_SCHEDULES = {SEGMENTATION: dict(points=[[0, 2.0], [1, 0.5]], shape='cosine')}


def _rows(group: str, *rows: tuple) -> list[Method]:
    return [Method(name, group, *rest) for name, *rest in rows]


_ROWS = [
    *_rows(
        'reference',
        ('ones',),
        ('inverse-loss', _weighted('InverseLossWeighting')),
    ),
    *_rows(
        'Ada-Segment',
        (OURS, _policy('comb'), OURS),
        ('Ada-Segment-A', None, OURS, True),
    ),
    Method('SlopeSearch', 'Ada-Segment', _policy('pred'), 'SlopeSearch'),
    Method(
        'SlopeSearch +rpn',
        'Ada-Segment',
        _policy('pred'),
        'SlopeSearch +rpn',
        rpn=True,
    ),
    Method(
        'inverse-loss +rpn',
        'reference',
        _weighted('InverseLossWeighting'),
        rpn=True,
    ),
    # The stronger start: each kind of losses alike.
    Method(
        'inverse-loss of kinds',
        'reference',
        _weighted('InverseLossWeighting'),
        kinds=True,
    ),
    Method(
        'inverse-loss of kinds +rpn',
        'reference',
        _weighted('InverseLossWeighting'),
        rpn=True,
        kinds=True,
    ),
    # What searches on scenes found, as a rule.
    Method(
        'inverse-loss of kinds, region proposals x0.33',
        'reference',
        _weighted('InverseLossWeighting'),
        edit=_third_of_rpn,
        rpn=True,
        kinds=True,
    ),
    Method('uncertainty +rpn', 'single run', _UNCERTAINTY, rpn=True),
    # As README and `mmada adapt` have it, and with the region proposals.
    Method(
        'uncertainty, mean 1',
        'single run',
        _weighted('UncertaintyWeighting', _STEP),
    ),
    Method(
        'uncertainty +rpn, mean 1',
        'single run',
        _weighted('UncertaintyWeighting', _STEP),
        rpn=True,
    ),
    *_rows(
        'population',
        ('PBT', None, 'PBT', True),
        ('AM-LFS', None, 'AM-LFS', True),
        ('Baseline-G', _policy('final'), 'Baseline-G'),
        (RANDOM_HYPERBAND, _policy('final'), 'BOHB'),
    ),
    *EQUAL_ROWS,
    *_rows(
        'single run',
        (
            'GradNorm',
            _weighted('GradNorm', _GRADIENT, initial_losses='iteration'),
        ),
        ('DWA', _weighted('DynamicWeightAverage')),
        ('uncertainty', _UNCERTAINTY),
    ),
    *CORRECTED,
    *_rows(
        'Ada-Segment',
        ('Ada-Segment single', _policy('single'), OURS),
        ('Ada-Segment pred', _policy('pred'), OURS),
        ('Ada-Segment final', _policy('final'), OURS),
    ),
    Method(
        f'{OURS} of cascade',
        'Ada-Segment',
        # The losses of another problem start elsewhere.
        _policy('comb', initial_losses='probe'),
        OURS,
        source='cascade',
    ),
    Method(
        'SlopeSearch of tuning',
        'Ada-Segment',
        _policy('pred', initial_losses='probe'),
        'SlopeSearch +rpn',
        source='tuning',
        rpn=True,
    ),
    Method(
        'SlopeSearch from ones of tuning',
        'Ada-Segment',
        _policy('pred', initial_losses='probe'),
        'SlopeSearch from ones',
        source='tuning',
        rpn=True,
    ),
    *_rows(
        'control',
        ('no learning', _policy('comb'), 'no learning'),
        ('no learning-A', None, 'no learning', True),
        ('random weights-A', None, 'random weights', True),
        ('shuffled rewards', _policy('comb'), 'shuffled rewards'),
        ('shuffled rewards-A', None, 'shuffled rewards', True),
    ),
    Method(
        'constant mean',
        'control',
        _weighted('StaticWeighting'),
        after=OURS,
        edit=_mean_weights,
    ),
    Method('scaled trunk', 'control', after=OURS, edit=_scaled_trunk),
    Method(
        'RLW',
        'single run',
        _weighted('RandomLossWeighting', _STEP),
        edit=draw_of_seed,
    ),
    Method('FAMO', 'single run', _weighted('Famo', _STEP), edit=mean_one),
    *_rows(
        'single run',
        ('UPGrad', _aggregated('UPGrad')),
        ('PCGrad', _aggregated('PCGrad')),
        ('CAGrad', _aggregated('CAGrad', c=0.5)),
        (
            'scheduled',
            _weighted('ScheduledWeighting', _STEP, schedules=_SCHEDULES),
        ),
    ),
    *_rows(
        'population',
        ('random', _policy('final'), 'random'),
        ('static tuned', _policy('final'), 'static tuned'),
        ('PBT replayed', _policy('comb'), 'PBT'),
        ('AM-LFS replayed', _policy('comb'), 'AM-LFS'),
    ),
    *(
        _one_times('segmentation', SEGMENTATION, factor)
        for factor in (1 / 16, 1 / 4, 2, 4, 16)
    ),
    # As all ones but for the scale that weights of mean 1 leave.
    _one_times('region proposals', PROPOSALS, 0.35, rpn=True),
    *_rows(
        'ablation',
        ('paper', _policy('comb'), 'paper'),
        ('paper-A', None, 'paper', True),
        (R_IMP, _policy('comb'), R_IMP),
    ),
    Method(
        'head rule off',
        'ablation',
        _policy('comb'),
        'head rule off',
        options=HEAD_RULE_OFF,
    ),
    Method(
        'inverse-loss, head rule off',
        'ablation',
        _weighted('InverseLossWeighting'),
        options=HEAD_RULE_OFF,
    ),
]
# A searched loss in the semantic head, in place of its cross entropy.
_SURROGATE = Method(
    'mIoU loss of VOC',
    'single run',
    options={
        'model.detector.semantic_head.loss_seg': dict(
            type='AutoSegLoss', metric='mIoU', theta='voc_miou'
        )
    },
)
# Which of them are run if none is named.
DEFAULT = tuple(row.name for row in _ROWS)
METHODS: dict[str, Method] = {
    row.name: row
    for row in (
        *_ROWS,
        *VARIANTS,
        *CANDIDATE_ROWS,
        *design_rows(),
        *sgd_rows(),
        _SURROGATE,
    )
}
# What a policy from elsewhere is compared with where it is used.
_MOVED = ('ones', 'inverse-loss', OURS, f'{OURS} of cascade')
TRANSFERRED = (
    *_MOVED,
    'uncertainty',
    'region proposals x0.35',
    'SlopeSearch of tuning',
    'SlopeSearch from ones of tuning',
)
QUICK = (*_MOVED, 'SlopeSearch', 'Ada-Segment-A', 'PBT')
