"""A number that changes with the progress of a training."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from mmada.utils.checks import check_number

_SHAPES: dict[str, Callable[[float], float]] = dict(
    hold=lambda share: 0.0,
    linear=lambda share: share,
    cosine=lambda share: (1 - math.cos(math.pi * share)) / 2,
)
"""How much of the way from a point to the next is done."""


class Schedule:
    """Leads through points; holds the first value before, the last after.

    Args:
        points: Pairs of progress, rising within [0, 1], and value >= 0.
        shape: The way from a point to the next: 'hold' jumps at the next,
            'linear', or 'cosine', which is flat at both.

    Raises:
        ValueError: If an option is not like that.
    """

    def __init__(
        self, points: Sequence[Sequence[float]], shape: str = 'linear'
    ) -> None:
        if shape not in _SHAPES:
            raise ValueError(
                f'`shape` is {shape!r}; expected one of '
                f'{", ".join(map(repr, _SHAPES))}.'
            )
        if not points or any(len(point) != 2 for point in points):
            raise ValueError(
                f'`points` is {points!r}; expected at least one pair of '
                'progress and value.'
            )
        self._progress = [check_number('progress', p, 0, 1) for p, _ in points]
        self._values = [check_number('value', v, 0) for _, v in points]
        if any(a >= b for a, b in pairwise(self._progress)):
            raise ValueError(
                f'`points` is {points!r}; expected the progress to rise.'
            )
        self._share = _SHAPES[shape]

    def at(self, progress: float) -> float:
        """Returns the value at a progress."""
        after = bisect.bisect_right(self._progress, progress)
        if after == 0:
            return self._values[0]
        if after == len(self._values):
            return self._values[-1]
        begin, end = self._progress[after - 1 : after + 1]
        first, last = self._values[after - 1 : after + 1]
        share = self._share((progress - begin) / (end - begin))
        return first + share * (last - first)
