"""The searches of the comparison, as data; several rows may use one."""

from __future__ import annotations

import math

from method import GRID_VALUES, Search

GRID_SIZE = math.prod(map(len, GRID_VALUES))
OURS, R_IMP = 'Ada-Segment', 'paper without r_imp'
HEAD_RULE_OFF = {'optim_wrapper.head_rule.mode': 'off'}
_STABLE = dict(type='AdaSegment', preset='stable')
_PAPER = dict(type='AdaSegment', preset='paper')
_SLOPE = dict(type='SlopeSearch', noise=0.5)

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
    # Candidates start only where a whole training still fits.
    'BOHB': Search(
        dict(type='BohbSearch'), length=2, told='rounds_per_training'
    ),
    'random': Search(dict(type='RandomSearch'), trainings=4),
    'static tuned': Search(dict(type='RandomSearch'), trainings=GRID_SIZE),
}
