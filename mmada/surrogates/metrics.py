"""The six surrogate metrics by name: their curves, options and functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from torch import Tensor

from mmada.surrogates.boundary_f1 import boundary_f1
from mmada.surrogates.curve import Curve, SurrogateShape, check_points
from mmada.surrogates.regions import (
    boundary_iou,
    frequency_weighted_iou,
    global_accuracy,
    mean_accuracy,
    mean_iou,
)
from mmada.utils.checks import check_choice


@dataclass(frozen=True)
class SurrogateMetric:
    """A metric in which curves have replaced what has no gradient.

    On probabilities of 0 and 1 it equals the metric, whatever the curves.

    Args:
        shape: Its curves.
        function: From probabilities of shape ``(N, C, ...)``, a
            :class:`Target`, the curves and the options to a scalar in [0, 1].
        options: Its options and their defaults. What has options looks at
            neighbours, and needs maps of shape ``(N, C, H, W)``.
    """

    shape: SurrogateShape
    function: Callable[..., Tensor]
    options: Mapping[str, int | bool] = field(default_factory=dict)

    @property
    def needs_maps(self) -> bool:
        """Whether it looks at the neighbours of a pixel."""
        return bool(self.options)

    def build_curves(
        self, points: Tensor | Sequence[float]
    ) -> tuple[Curve, ...]:
        """Return the curves that control points describe.

        Args:
            points: Control points; see :func:`check_points`.

        Raises:
            ValueError: If they are not valid.
        """
        checked = check_points(points, self.shape)
        return tuple(Curve.from_points(each) for each in checked)


def _metric(
    name: str,
    curves: int,
    pieces: int,
    function: Callable[..., Tensor],
    **options: int | bool,
) -> SurrogateMetric:
    shape = SurrogateShape(name, curves, pieces)
    return SurrogateMetric(shape, function, options)


_ALL = (
    _metric('mIoU', 2, 2, mean_iou),
    _metric('FWIoU', 2, 2, frequency_weighted_iou),
    _metric('BIoU', 2, 2, boundary_iou, tolerance=5, drop_bg=True),
    _metric('mAcc', 1, 2, mean_accuracy),
    _metric('gAcc', 1, 2, global_accuracy),
    _metric('BF1', 4, 1, boundary_f1, tolerance=5, drop_bg=False),
)
SURROGATES: Mapping[str, SurrogateMetric] = MappingProxyType(
    {each.shape.metric: each for each in _ALL}
)


def find_surrogate(metric: str) -> SurrogateMetric:
    """Return a surrogate metric by its name.

    Raises:
        ValueError: If there is none of that name.
    """
    return SURROGATES[check_choice('metric', metric, SURROGATES)]
