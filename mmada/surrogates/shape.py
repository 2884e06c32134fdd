"""How many curves a surrogate metric has, of how many pieces each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SurrogateShape:
    """The curves of a surrogate metric, without their points.

    Args:
        metric: Name of the metric.
        curves: Number of curves, ``K``.
        pieces: Quadratic Bezier pieces of each curve, ``P``.
    """

    metric: str
    curves: int
    pieces: int

    @property
    def points(self) -> int:
        """Free points of each curve, ``2 P - 1``; the ends are fixed."""
        return 2 * self.pieces - 1

    @property
    def num_parameters(self) -> int:
        """Numbers that a search has to find, ``2 K (2 P - 1)``."""
        return 2 * self.curves * self.points
