"""Searches on equal terms: the same space, start, replicas and cost.

Ada-Segment and SlopeSearch know which losses are of one kind, that the region
proposals count, and that inverse-loss weighting is a start. Here their rivals
are given the same: a factor for each kind of losses and for the region
proposals, around inverse-loss weighting of l^1, eight replicas, and about as
many trainings. What rivals have by default, ten free weights around ones, are
rows of their own.
"""

from __future__ import annotations

from typing import Any

from method import Method, Options, Search

EQUAL = ', equal terms'
RANDOM_HYPERBAND = 'Hyperband, random'
"""BOHB whose model does not speak: its candidates are random."""
FROM_KINDS = 'SlopeSearch of kinds +rpn'
RANDOM_KINDS = 'random of kinds +rpn'
FROM_ONES = 'SlopeSearch from ones +rpn'
LARGE_BOHB = 'BOHB, equal terms but cost'
REPLICAS = 8
WIDE = 0.8
"""Spread of log-factors with which Ada-Segment explores."""
SPREAD = 3.0
"""Factors of SlopeSearch are up to about so large."""
_INVERSE: Options = dict(initial='inverse_loss')
_BOHB: Options = dict(
    type='BohbSearch', spread=SPREAD, reduction_factor=2, **_INVERSE
)
_RANDOM: Options = dict(
    type='RandomSearch', low=1 / SPREAD, high=SPREAD, **_INVERSE
)
_SLOPE: Options = dict(type='SlopeSearch', noise=0.5, control=False)


def _search(controller: Options, **fields: Any) -> Search:
    return Search(
        controller, replicas=REPLICAS, grouped=True, rpn=True, **fields
    )


_OURS = {
    'Ada-Segment': (_search(dict(type='AdaSegment')), 'comb'),
    'SlopeSearch': (_search(_SLOPE), 'pred'),
}
# They hand out the model that they explored with.
_EXPLORERS = {
    name: _search(dict(controller, **_INVERSE))
    for name, controller in (
        ('PBT', dict(type='PopulationTraining')),
        (f'PBT, sigma {WIDE}', dict(type='PopulationTraining', sigma=WIDE)),
        ('AM-LFS', dict(type='AmLfs')),
        # A step of Adam is about as long as its rate, each round.
        (f'AM-LFS, sigma {WIDE}', dict(type='AmLfs', sigma=WIDE, lr=0.3)),
    )
}
_STATIC = {
    'random': _search(_RANDOM, trainings=REPLICAS),
    RANDOM_HYPERBAND: _search(
        dict(_BOHB, random_fraction=1.0),
        length=2,
        told='rounds_per_training',
    ),
}

EQUAL_SEARCHES: dict[str, Search] = {
    f'{name}{EQUAL}': search
    for name, search in (
        *((name, search) for name, (search, _) in _OURS.items()),
        *_EXPLORERS.items(),
        *_STATIC.items(),
    )
} | {
    # It takes eight candidates until the model speaks: with 22 trainings, as
    # many as a grid has, it proposes three of five.
    LARGE_BOHB: _search(
        dict(_BOHB, random_fraction=0.2),
        length=4,
        told='rounds_per_training',
    ),
    # From the stronger start: inverse-loss weighting of whole kinds.
    FROM_KINDS: Search(_SLOPE, replicas=REPLICAS, rpn=True, kinds=True),
    # For what the first half of that search costs.
    RANDOM_KINDS: Search(
        _RANDOM, trainings=5, replicas=5, rpn=True, kinds=True
    ),
    # Around all ones: two replicas for each of the four directions between
    # five kinds of losses, and one at the centre.
    FROM_ONES: Search(
        dict(_SLOPE, start=0.0), replicas=9, grouped=True, rpn=True
    ),
}


def _trained(name: str, mode: str, group: str = 'Ada-Segment') -> Method:
    """Return the row of a training with what the search of its name found."""
    hook = dict(type='PolicyWeightingHook', mode=mode, fallback='policy')
    return Method(name, group, hook, name, rpn=True)


EQUAL_ROWS = [
    *(_trained(f'{name}{EQUAL}', mode) for name, (_, mode) in _OURS.items()),
    *(
        Method(name, 'population', search=name, explored=True, rpn=True)
        for name in (f'{name}{EQUAL}' for name in _EXPLORERS)
    ),
    *(
        _trained(name, 'final', 'population')
        for name in (*(f'{name}{EQUAL}' for name in _STATIC), LARGE_BOHB)
    ),
    _trained(FROM_KINDS, 'pred')._replace(kinds=True),
    _trained(RANDOM_KINDS, 'final', 'population')._replace(kinds=True),
    _trained(FROM_ONES, 'pred'),
]
