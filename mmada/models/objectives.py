"""Which losses of a detector's loss dict make up each objective."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from torch import Tensor

AUTO = 'auto'

WEIGHTED = 'weighted.'
"""Prefix of a weighted loss in a log, where the raw one has its own name."""

ObjectiveSpec = str | Mapping[str, Any]
"""How a config gives objectives, see :func:`build_objectives`."""

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
    'mask_rcnn': {
        'cls': 'loss_cls',
        'bbox': 'loss_bbox',
        'mask': 'loss_mask',
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
            belongs to no objective and keeps weight 1. An objective whose
            loss only appears later in a training, as YOLOX's `loss_l1`, is
            given as `dict(pattern=..., late=True)`.

    Raises:
        ObjectiveError: If there is no objective, or a pattern is not a
            valid regular expression.
    """

    def __init__(self, patterns: Mapping[str, Any]) -> None:
        if not patterns:
            raise ObjectiveError(
                '`objectives` should have at least one `name: pattern` entry. '
                'Found none.'
            )
        self.names: tuple[str, ...] = tuple(patterns)
        self._patterns: list[list[re.Pattern[str]]] = []
        self._late: set[str] = set()
        for name, value in patterns.items():
            pattern, late = _parse(name, value)
            self._patterns.append([_compile(name, p) for p in pattern])
            if late:
                self._late.add(name)
        self._cache: dict[str, int | None] = {}

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def from_loss_names(cls, loss_names: Iterable[str]) -> Objectives:
        """Make every loss an objective of its own.

        Raises:
            ObjectiveError: If there is none with a name of its own.
        """
        patterns = {name: re.escape(name) for name in loss_names}
        if not patterns:
            raise ObjectiveError(
                'The model should produce losses with names of their own, '
                "such as 'loss_cls'. Found none but 'loss', the name of the "
                'sum of all: a single one has nothing to be weighted against, '
                'and one of several needs another name.'
            )
        return cls(patterns)

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

    @property
    def late(self) -> set[int]:
        """Indices of the objectives whose loss may only appear later."""
        return {i for i, n in enumerate(self.names) if n in self._late}

    @property
    def patterns(self) -> dict[str, list[str]]:
        """The regular expressions of each objective."""
        return {
            name: [pattern.pattern for pattern in patterns]
            for name, patterns in zip(self.names, self._patterns, strict=True)
        }

    def unmatched(self, loss_names: Iterable[str]) -> list[str]:
        """Return the objectives that none of the losses belongs to."""
        seen = {self.index(name) for name in loss_names}
        return [n for i, n in enumerate(self.names) if i not in seen]

    def check(self, loss_names: Sequence[str]) -> None:
        """Raise an ObjectiveError if an objective has no loss.

        One whose loss may appear later needs none.
        """
        missing = [
            n for n in self.unmatched(loss_names) if n not in self._late
        ]
        if missing:
            raise ObjectiveError(
                f'No loss of the model belongs to objective(s) '
                f'{", ".join(map(repr, missing))}. The model produces: '
                f'{", ".join(sorted(loss_names)) or "no loss at all"}. '
                'Where a loss only appears later in the training, give its '
                'objective as `dict(pattern=..., late=True)`.'
            )

    def reduce(self, losses: Mapping[str, Tensor]) -> dict[int, Tensor]:
        """Sum the losses of each objective.

        Args:
            losses: Loss name to scalar, as a model logs them; skipped are
                names of no objective, the sum of all and weighted losses,
                and what is no tensor, as MMEngine's 0 for an empty list.

        Returns:
            Objective index to scalar; objectives without a loss are absent.
        """
        sums: dict[int, Tensor] = {}
        for name, value in losses.items():
            if not is_loss(name) or not isinstance(value, Tensor):
                continue
            i = self.index(name)
            if i is not None:
                sums[i] = sums[i] + value if i in sums else value
        return sums


def is_loss(name: str) -> bool:
    """Return whether a name in a log is that of a raw loss."""
    return 'loss' in name and name != 'loss' and not name.startswith(WEIGHTED)


def build_objectives(spec: ObjectiveSpec) -> Objectives | None:
    """Build objectives from a config value.

    Args:
        spec: A preset's name, 'auto' (every loss is an objective, known once
            the model has run), or a dict of patterns.

    Returns:
        The objectives, or None for 'auto'.

    Raises:
        ObjectiveError: If it is nothing of these.
    """
    if isinstance(spec, Mapping):
        return Objectives(spec)
    if spec == AUTO:
        return None
    if not isinstance(spec, str) or spec not in OBJECTIVE_PRESETS:
        known = ', '.join([*OBJECTIVE_PRESETS, AUTO])
        raise ObjectiveError(
            f'`objectives` should be a dict of `name: pattern`, or one of '
            f'{known}. Found {spec!r}.'
        )
    return Objectives(OBJECTIVE_PRESETS[spec])


def check_loss_names(names: Collection[str]) -> None:
    """Check that a sum can be made of what a model produces.

    Raises:
        ObjectiveError: If there is no loss.
    """
    if not any('loss' in name for name in names):
        raise ObjectiveError(
            'The model produced no loss; it produced: '
            f'{", ".join(names) or "nothing"}.'
        )


def check_not_weighted(names: Iterable[str]) -> None:
    """Check that no loss of a model has the name of a weighted one.

    Raises:
        ObjectiveError: If one has.
    """
    for name in names:
        if 'loss' in name and name.startswith(WEIGHTED):
            raise ObjectiveError(
                'The model should produce losses whose names do not begin '
                f'with {WEIGHTED!r}, the prefix of weighted losses in the '
                f'log. Found {name!r}: rename it.'
            )


def _parse(name: str, value: Any) -> tuple[Sequence[str], bool]:
    """Return the patterns of an objective, and whether it may be late."""
    given = value if isinstance(value, Mapping) else dict(pattern=value)
    pattern, late = given.get('pattern'), given.get('late', False)
    patterns = [pattern] if isinstance(pattern, str) else pattern
    if (
        set(given) - {'pattern', 'late'}
        or not isinstance(late, bool)
        or not isinstance(patterns, (list, tuple))
        or not all(isinstance(p, str) for p in patterns)
    ):
        raise ObjectiveError(
            f'`objectives[{name!r}]` should be a regular expression, a list '
            'of them, or `dict(pattern=..., late=True)` for a loss that '
            f'appears later in the training. Found {value!r}.'
        )
    return patterns, late


def _compile(name: str, pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ObjectiveError(
            f'`objectives` should have regular expressions as patterns. '
            f'Found {pattern!r} for {name!r}: {error}.'
        ) from error
