"""Which losses of a detector's loss dict make up each objective."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from torch import Tensor

AUTO = 'auto'

# The losses of the region proposals keep weight 1 in the paper.
_WITHOUT_RPN: dict[str, dict[str, str]] = {
    'cascade_panoptic': {
        **{
            f's{stage}.{kind}': rf's{stage}\.loss_{kind}'
            for stage in range(3)
            for kind in ('cls', 'bbox', 'mask')
        },
        'seg': 'loss_seg',
    },
    # The stages' losses of one kind together: with few replicas and rounds
    # four weights are learned sooner than ten.
    'cascade_kinds': {
        'cls': r's\d\.loss_cls',
        'bbox': r's\d\.loss_bbox',
        'mask': r's\d\.loss_mask',
        'seg': 'loss_seg',
    },
    'panoptic_fpn': {
        'cls': 'loss_cls',
        'bbox': 'loss_bbox',
        'mask': 'loss_mask',
        'seg': 'loss_seg',
    },
}
# Where they are left out, the others' common scale is one against them, which
# no optimizer takes away: it matters when losses come on wrong scales.
OBJECTIVE_PRESETS: dict[str, dict[str, str]] = _WITHOUT_RPN | {
    f'{name}_rpn': preset | {'rpn': 'loss_rpn_.*'}
    for name, preset in _WITHOUT_RPN.items()
}


class ObjectiveError(ValueError):
    """Objectives and the losses that a model produces do not fit."""


class Objectives:
    """Ordered objectives, each a set of loss names given by patterns.

    Args:
        patterns: Objective name to a regular expression, or several, that
            must match a loss name completely. A loss matched by no pattern
            belongs to no objective and keeps weight 1.

    Raises:
        ObjectiveError: If there is no objective, or a pattern is not a
            valid regular expression.
    """

    def __init__(self, patterns: Mapping[str, str | Sequence[str]]) -> None:
        if not patterns:
            raise ObjectiveError(
                '`objectives` should have at least one `name: pattern` entry. '
                'Found none.'
            )
        self.names: tuple[str, ...] = tuple(patterns)
        self._patterns = [
            [_compile(name, p) for p in _as_sequence(value)]
            for name, value in patterns.items()
        ]
        self._cache: dict[str, int | None] = {}

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def from_loss_names(cls, loss_names: Iterable[str]) -> Objectives:
        """Make every loss an objective of its own."""
        return cls({name: re.escape(name) for name in loss_names})

    def index(self, loss_name: str) -> int | None:
        """Return the objective's index of a loss, None if it has none.

        Raises:
            ObjectiveError: If patterns of two objectives match the loss.
        """
        if loss_name not in self._cache:
            hits = [
                i
                for i, patterns in enumerate(self._patterns)
                if any(p.fullmatch(loss_name) for p in patterns)
            ]
            if len(hits) > 1:
                names = ', '.join(self.names[i] for i in hits)
                raise ObjectiveError(
                    f'Loss {loss_name!r} is matched by several objectives: '
                    f'{names}. Make their patterns disjoint.'
                )
            self._cache[loss_name] = hits[0] if hits else None
        return self._cache[loss_name]

    def unmatched(self, loss_names: Iterable[str]) -> list[str]:
        """Return the objectives that none of the losses belongs to."""
        seen = {self.index(name) for name in loss_names}
        return [n for i, n in enumerate(self.names) if i not in seen]

    def check(self, loss_names: Sequence[str]) -> None:
        """Raise an ObjectiveError if an objective has no loss."""
        missing = self.unmatched(loss_names)
        if missing:
            raise ObjectiveError(
                f'No loss of the model belongs to objective(s) '
                f'{", ".join(map(repr, missing))}. The model produces: '
                f'{", ".join(sorted(loss_names)) or "no loss at all"}.'
            )

    def reduce(self, losses: Mapping[str, Tensor]) -> dict[int, Tensor]:
        """Sum the losses of each objective.

        Args:
            losses: Loss name to scalar; names of no objective are skipped.

        Returns:
            Objective index to scalar; objectives without a loss are absent.
        """
        sums: dict[int, Tensor] = {}
        for name, value in losses.items():
            i = self.index(name)
            if i is not None:
                sums[i] = sums[i] + value if i in sums else value
        return sums


def build_objectives(
    spec: str | Mapping[str, str | Sequence[str]],
) -> Objectives | None:
    """Build objectives from a config value.

    Args:
        spec: A preset's name, 'auto' (every loss is an objective, known once
            the model has run), or a dict of patterns.

    Returns:
        The objectives, or None for 'auto'.

    Raises:
        ObjectiveError: If the preset is unknown.
    """
    if not isinstance(spec, str):
        return Objectives(spec)
    if spec == AUTO:
        return None
    if spec not in OBJECTIVE_PRESETS:
        known = ', '.join([*OBJECTIVE_PRESETS, AUTO])
        raise ObjectiveError(
            f'`objectives` should be a dict of `name: pattern`, or one of '
            f'{known}. Found {spec!r}.'
        )
    return Objectives(OBJECTIVE_PRESETS[spec])


def check_loss_names(names: Collection[str]) -> None:
    """Check that a weighted sum can be made of what a model produces.

    Raises:
        ObjectiveError: If there is no loss, or one has the name of the sum.
    """
    if 'loss' in names:
        raise ObjectiveError(
            "The model calls a loss 'loss', the name of the sum of all; "
            "expected another one, such as 'loss_cls'."
        )
    if not any('loss' in name for name in names):
        raise ObjectiveError(
            'The model produced no loss; it produced: '
            f'{", ".join(names) or "nothing"}.'
        )


def _as_sequence(value: str | Sequence[str]) -> Sequence[str]:
    return [value] if isinstance(value, str) else value


def _compile(name: str, pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ObjectiveError(
            f'`objectives` should have regular expressions as patterns. '
            f'Found {pattern!r} for {name!r}: {error}.'
        ) from error
