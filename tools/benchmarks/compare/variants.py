"""Rivals of one training with the care of their authors.

`CORRECTED` are fairer forms than the first rows: GradNorm with the losses at
the start from an epoch, and aggregators whose weights have mean 1, as those of
the region proposals stay at 1. `VARIANTS` are what may be tuned of each: the
rate for so short a training, the shared layer, all losses of a kind as one
objective, and the head rule. They are run if named, for a choice on the tuning
scenes.
"""

from __future__ import annotations

from typing import Any

from method import HEAD_RULE_OFF, Method, Options, draw_of_seed, mean_one

LAST_SHARED = r'neck\.fpn_convs'
GRADNORM = 'GradNorm, first epoch'


def _hook(kind: str, weighting: Options, **options: Any) -> Options:
    return dict(type=f'{kind}WeightingHook', weighting=weighting, **options)


def _rival(name: str, hook: Options, **fields: Any) -> Method:
    return Method(name, 'single run', hook, **fields)


def _grad_norm(what: str = '', **weighting: Any) -> Method:
    options: Options = dict(type='GradNorm', **weighting)
    return _rival(GRADNORM + what, _hook('Gradient', options))


def _aggregated(name: str, **options: Any) -> Method:
    weighting = dict(
        type='AggregatorWeighting', aggregator=name, options=options
    )
    hook = _hook('Gradient', weighting)
    return _rival(f'{name}, mean 1', hook, edit=mean_one)


def _step(
    name: str, kind: str, fields: Options | None = None, **weighting: Any
) -> Method:
    hook = _hook('Step', dict(type=kind, **weighting))
    return _rival(name, hook, **(fields or {}))


def _uncertainty(name: str, **weighting: Any) -> Method:
    return _step(name, 'UncertaintyWeighting', normalize='none', **weighting)


def _without_head_rule(row: Method) -> Method:
    return row._replace(
        name=f'{row.name}, head rule off', options=HEAD_RULE_OFF
    )


CORRECTED = [
    _grad_norm(),
    _aggregated('UPGrad'),
    _aggregated('PCGrad'),
    _aggregated('CAGrad', c=0.5),
]
_FAMO: Options = dict(edit=mean_one)
_RLW: Options = dict(edit=draw_of_seed)
_DWA = _hook('Loss', dict(type='DynamicWeightAverage'))

VARIANTS = [
    _grad_norm(', lr 0.1', lr=0.1),
    _grad_norm(', alpha 0.12', alpha=0.12),
    _rival(
        f'{GRADNORM}, neck',
        _hook('Gradient', dict(type='GradNorm'), parameters=LAST_SHARED),
    ),
    _grad_norm(', kinds')._replace(kinds=True),
    _uncertainty('uncertainty, lr 0.03', lr=0.03),
    _uncertainty('uncertainty, lr 0.1', lr=0.1),
    _step('FAMO, lr 0.1', 'Famo', _FAMO, lr=0.1),
    _step('FAMO, kinds', 'Famo', _FAMO)._replace(kinds=True),
    _rival(
        'DWA, temperature 1',
        _hook('Loss', dict(type='DynamicWeightAverage', temperature=1.0)),
    ),
    _aggregated('CAGrad', c=0.2)._replace(name='CAGrad, mean 1, c 0.2'),
    *map(
        _without_head_rule,
        (
            *CORRECTED,
            _uncertainty('uncertainty'),
            _step('FAMO', 'Famo', _FAMO),
            _step('RLW', 'RandomLossWeighting', _RLW),
            _rival('DWA', _DWA),
        ),
    ),
]
