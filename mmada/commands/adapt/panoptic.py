"""Panoptic data without panopticapi, which MMDetection's own parts need."""

from __future__ import annotations

from typing import Any

from mmengine.config import Config

from mmada.commands.adapt.source import (
    FIRST,
    WIDTH,
    Code,
    assignment,
    comment,
)
from mmada.commands.adapt.stock import Leaf, evaluators, leaf_of, type_of

LOADERS = ('train_dataloader', 'val_dataloader', 'test_dataloader')
EVALUATORS = ('val_evaluator', 'test_evaluator')
PANOPTIC = (
    "MMDetection's loading step and metric of panoptic data need panopticapi; "
    "mmada's do the same without."
)
"""Why the parts are there."""

WITHOUT_PANOPTICAPI = """\
def without_panopticapi(pipeline):
    own = dict(type='mmada.LoadPanopticAnnotations')
    return [
        dict(step, **own) if step.type == 'LoadPanopticAnnotations' else step
        for step in pipeline
    ]"""


def parts_without_panopticapi(config: Config) -> list[str]:
    """Return the parts of a config that replace what needs panopticapi.

    Args:
        config: The stock config; there are none where it has no such part.
    """
    leaves = [
        leaf
        for leaf in (leaf_of(config, loader) for loader in LOADERS)
        if loads_panoptic(leaf)
    ]
    metrics = [
        name
        for name in EVALUATORS
        if any(_is_mmdets(e) for _, e in evaluators(config, name))
    ]
    if not leaves and not metrics:
        return []
    lines = [
        *map(_own_loading, leaves),
        *(assignment(n, _own_metrics(config, n)) for n in metrics),
    ]
    function = f'\n{comment(PANOPTIC)}\n{WITHOUT_PANOPTICAPI}\n'
    return [function, '\n'.join(lines)]


def loads_panoptic(leaf: Leaf) -> bool:
    """Return whether a data set has a step that is replaced.

    That of joined ones is not: a config replaces lists of its base as a whole.
    """
    return not leaf.joined and any(
        step['type'] == 'LoadPanopticAnnotations'
        for step in leaf.config.get('pipeline') or []
    )


def _own_loading(leaf: Leaf) -> str:
    """Return the pipeline of a data set with mmada's loading step."""
    name = f'{leaf.place.partition("_")[0]}_pipeline'
    stock = f'_base_.{leaf.place}.pipeline'
    line = f'{name} = without_panopticapi({stock})'
    if len(line) > WIDTH:
        line = f'{name} = without_panopticapi(\n    {stock}\n)'
    value: Any = dict(pipeline=Code(name))
    loader, *inner = leaf.place.split('.')
    for _ in inner:
        value = dict(dataset=value)
    return f'{line}\n{assignment(loader, value)}'


def _is_mmdets(evaluator: Any) -> bool:
    """Whether it is a metric that mmada's can stand for."""
    return type_of(evaluator) == 'CocoPanopticMetric' and not evaluator.get(
        'format_only'
    )


def _own_metrics(config: Any, name: str) -> Any:
    """Return an evaluator with mmada's metric in place of MMDetection's."""
    own = {'type': 'PanopticQuality'}
    if not isinstance(config[name], list | tuple):
        return own
    return [
        {FIRST: Code(f'_base_.{place}'), **own}
        if _is_mmdets(evaluator)
        else Code(f'_base_.{place}')
        for place, evaluator in evaluators(config, name)
    ]
