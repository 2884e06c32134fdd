"""Which losses of a model share a weight in the config that is written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

MANY = 6
"""With more losses than that, those of one kind share a weight."""

# Of the decoder layers and stages of one kind, and of its other queries.
_PLACE = re.compile(r'^(?:.*\.)?(?:(?:enc|dn|aux)_)?(?=loss_)')
_PROPOSALS = re.compile(r'^loss_rpn_')


class Grouping(NamedTuple):
    """What gets one weight.

    Attributes:
        patterns: The option `objectives`; None where each loss is one.
        names: Of the objectives; none where the losses are not known.
        reason: Why these, for a comment.
    """

    patterns: dict[str, str | list[str]] | None
    names: tuple[str, ...]
    reason: str


def group_losses(losses: Sequence[str]) -> Grouping:
    """Choose the objectives for the losses of a model.

    Args:
        losses: Their names; none if they are not known.
    """
    if not losses:
        return Grouping(None, (), 'Each loss of the model is an objective.')
    proposals = (
        ' Those of the region proposals are among them: left out, they would '
        'keep weight 1, and the common scale of all others would be one '
        'against them.'
        if any(map(_PROPOSALS.match, losses))
        else ''
    )
    patterns = _by_kind(losses)
    if len(losses) <= MANY or len(patterns) == 1:
        listed = ', '.join(losses)
        reason = f'Each loss is an objective: {listed}.{proposals}'
        return Grouping(None, tuple(losses), reason)
    reason = (
        f'An objective is what gets one weight. Of the {len(losses)} losses, '
        'those of one kind share it, whatever their stage or layer: few '
        f'weights are learned sooner than many.{proposals}'
    )
    return Grouping(patterns, tuple(patterns), reason)


def _by_kind(losses: Sequence[str]) -> dict[str, str | list[str]]:
    """Return a pattern for each kind of loss, by a short name."""
    kinds: dict[str, list[str]] = {}
    for loss in losses:
        kinds.setdefault(_kind(loss), []).append(loss)
    return {kind: _pattern(members) for kind, members in kinds.items()}


def _kind(loss: str) -> str:
    if _PROPOSALS.match(loss):
        return 'rpn'
    return _PLACE.sub('', loss).replace('loss_', '').replace('.', '_')


def _pattern(losses: Sequence[str]) -> str | list[str]:
    """Return regular expressions for losses that differ in their place."""
    if all(map(_PROPOSALS.match, losses)) and len(losses) > 1:
        return 'loss_rpn_.*'
    forms = [
        re.sub(r'\d+(?=\\\.)', r'\\d+', re.escape(loss)) for loss in losses
    ]
    once = list(dict.fromkeys(forms))
    return once[0] if len(once) == 1 else once
