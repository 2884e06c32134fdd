"""A config of a segmentor whose decode head has another loss."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

from mmengine.registry import MODELS

from mmada.commands.adapt.methods import Method
from mmada.commands.adapt.model_losses import find_losses
from mmada.commands.adapt.source import FIRST, Code, assignment, comment
from mmada.commands.adapt.stock import Stock
from mmada.commands.adapt.written_config import (
    Adapted,
    head,
    join,
    path_of_base,
)


def with_replaced_loss(stock: Stock, method: Method, name: str) -> Adapted:
    """Return the config of a segmentor with another loss."""
    assert method.loss is not None
    replaced = replace_loss(stock, method.loss)
    source = join(
        head(stock, method),
        comment(
            'The metric is what is maximised, `theta` the released control '
            'points of its surrogate, or a curve.json of your own search.'
        )
        + '\n'
        + assignment('model', dict(decode_head=replaced.decode_head)),
    )
    return Adapted(
        source,
        replaced.decided,
        [
            'whether these control points, which were found on PASCAL VOC, '
            'suit your data: compare with the stock loss, or search your own '
            '(see "Auto Seg-Loss" in the documentation)',
            *path_of_base(stock, name),
        ],
    )


class ReplacedLoss(NamedTuple):
    """What a config says of the head, and what is to be said of it.

    Attributes:
        decode_head: Value of `model.decode_head`.
        decided: What was decided, a line each.
    """

    decode_head: Any
    decided: list[str]


def replace_loss(stock: Stock, loss: dict[str, Any]) -> ReplacedLoss:
    """Replace the loss of the decode head, of a cascade the last one's.

    Args:
        stock: The stock config.
        loss: Config of the other loss.

    Raises:
        ValueError: If the model does not train with it.
    """
    heads = stock.config.model.get('decode_head')
    if stock.scope != 'mmseg' or not heads:
        raise ValueError(
            '`model.decode_head` should be a head of MMSegmentation, whose '
            f'loss is replaced. Found none in {stock.config.model.type}. The '
            'semantic head of a panoptic detector takes the loss by hand: see '
            '"Auto Seg-Loss" in the documentation.'
        )
    cascade = not isinstance(heads, dict)
    last = heads[-1] if cascade else heads
    place = f'decode_head[{len(heads) - 1}]' if cascade else 'decode_head'
    changes: dict[str, Any] = dict(loss_decode=loss)
    decided = [_in_place_of(place, loss, last.get('loss_decode'))]
    if last.get('sampler'):
        changes['sampler'] = None
        decided.append(
            f'{last.sampler.type} of `{place}` is left out, as a metric is '
            'one of all pixels.'
        )
    others = _check_losses(stock, loss, changes)
    if others:
        decided.append(f'These losses stay: {", ".join(others)}.')
    return ReplacedLoss(_value(heads, changes), decided)


def _in_place_of(place: str, loss: dict[str, Any], replaced: Any) -> str:
    """Return what the new loss replaces; no option of the old one stays."""
    each = [replaced] if isinstance(replaced, dict) else replaced or []
    names = [
        f'{one["type"]}({", ".join(key for key in one if key != "type")})'
        for one in each
    ]
    return (
        f'The loss of `{place}` is {loss["type"]}, with `loss_weight` 1, in '
        f'place of {" and ".join(names) or "the default"}.'
    )


def _check_losses(
    stock: Stock, loss: dict[str, Any], changes: dict[str, Any]
) -> list[str]:
    """Return the other losses that the changed model trains with."""
    config = copy.deepcopy(stock.config)
    heads = config.model.decode_head
    last: Any = heads if isinstance(heads, dict) else heads[-1]
    for key, value in changes.items():
        last[key] = value  # `update` of a ConfigDict merges
    name = f'.{MODELS.build(loss).loss_name}'
    try:
        losses = list(find_losses(config, stock.scope))
    except ValueError as error:
        found = f'with it, {error}'
    else:
        if any(each.endswith(name) for each in losses):
            return [each for each in losses if not each.endswith(name)]
        more = ' and others' if losses[3:] else ''
        found = f'the losses {", ".join(losses[:3])}{more}'
    raise ValueError(
        '`model.decode_head` should train with a single `loss_decode` of '
        f'whole maps, whose place {loss["type"]} can take. Found {last.type}: '
        f'{found}.'
    )


def _value(heads: Any, changes: dict[str, Any]) -> Any:
    """Return what the head is in a config that inherits."""
    if isinstance(heads, dict):
        replaced = dict(_delete_=True, **changes['loss_decode'])
        return changes | dict(loss_decode=replaced)
    # A list replaces that of the base, so that its heads are named.
    base = '_base_.model.decode_head'
    kept = [Code(f'{base}[{i}]') for i in range(len(heads) - 1)]
    last = Code(f'{base}[{len(heads) - 1}]')
    return [*kept, {FIRST: last, **changes}]
