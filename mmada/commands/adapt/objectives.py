"""Which losses of a model share a weight in the config that is written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

MANY = 6
"""With more losses than that, those of one kind share a weight.

Those of the region proposals always do, as in the benchmark.
"""

# Of the decoder layers, stages and tasks of one kind, and its other queries.
_PLACE = re.compile(
    r'^(?:.*\.)?(?:(?:(?:enc|dn|aux)_)?(?=loss_)|(?=\w+_loss$))'
)
# A detector marks the losses of any other head for proposals by `rpn_`.
_PROPOSALS = re.compile(r'^(?:(?:.*\.)?loss_rpn_|rpn_)')


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


def group_losses(losses: Sequence[str], proposals: bool) -> Grouping:
    """Choose the objectives for the losses of a model.

    Args:
        losses: Their names; none if they are not known.
        proposals: Whether those of region proposals are weighted as well.
    """
    if not losses:
        return Grouping(None, (), 'Each loss of the model is an objective.')
    others = [loss for loss in losses if not _PROPOSALS.match(loss)]
    left_out = not proposals and 1 < len(others) < len(losses)
    weighted = others if left_out else losses
    patterns = _by_kind(weighted)
    some = 0 < len(others) < len(losses)
    reason = _about_proposals(left_out, some)
    few = len(weighted) <= MANY and not some
    if few or len(patterns) == 1:
        return each_loss(losses)
    kinds = ', '.join(patterns)
    if len(patterns) == len(weighted):
        return Grouping(
            patterns,
            tuple(patterns),
            f'The objectives, each of which gets a weight: {kinds}.{reason}',
        )
    return Grouping(
        patterns,
        tuple(patterns),
        f'The objectives, each of which gets a weight: {kinds}. The '
        f'{len(weighted)} losses are grouped by kind, whatever their stage, '
        f'layer or task, since few weights are learned sooner.{reason}',
    )


def each_loss(losses: Sequence[str]) -> Grouping:
    """Make an objective of each loss."""
    return Grouping(
        None,
        tuple(losses),
        f'Each loss is an objective: {", ".join(losses)}.',
    )


def without_others(grouping: Grouping, others: Sequence[str]) -> Grouping:
    """Name the objectives, so that no other loss becomes one.

    Args:
        grouping: What gets a weight.
        others: Losses that it leaves out, since they are negative.
    """
    if not others:
        return grouping
    patterns = grouping.patterns
    if patterns is None:
        patterns = {name: re.escape(name) for name in grouping.names}
    return grouping._replace(
        patterns=patterns,
        reason=f'{grouping.reason} Negative ones keep weight 1, since the '
        f'method compares losses by their ratios: {", ".join(others)}.',
    )


def _about_proposals(left_out: bool, there: bool) -> str:
    if left_out:
        return (
            ' The losses of the region proposals keep weight 1, as in the '
            'benchmark of the method.'
        )
    if there:
        return (
            ' The region proposals get a weight, too; else a search could '
            'not change how much they count against the others.'
        )
    return ''


def _by_kind(losses: Sequence[str]) -> dict[str, str | list[str]]:
    """Return a pattern for each kind of loss, by a short name."""
    kinds: dict[str, list[str]] = {}
    for loss in losses:
        kinds.setdefault(_kind(loss), []).append(loss)
    return {kind: _pattern(members) for kind, members in kinds.items()}


def _kind(loss: str) -> str:
    if _PROPOSALS.match(loss):
        return 'rpn'
    kind = _PLACE.sub('', loss).replace('loss_', '').removesuffix('_loss')
    return kind.replace('.', '_')


def _pattern(losses: Sequence[str]) -> str | list[str]:
    """Return regular expressions for losses that differ in their place."""
    parts, rest = list(losses), ''
    heads = [match[0] for loss in losses if (match := _PROPOSALS.match(loss))]
    if len(losses) == len(heads) > 1:
        parts, rest = heads, '.*'
    forms = [
        re.sub(r'\d+(?=\\\.)', r'\\d+', re.escape(part)) + rest
        for part in parts
    ]
    once = list(dict.fromkeys(forms))
    return once[0] if len(once) == 1 else once
