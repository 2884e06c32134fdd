"""Soft accuracies: the share of a class that is found, with h1(p) for p."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from mmada.surrogates.curve import Curve
from mmada.surrogates.regions import EPS
from mmada.surrogates.target import Target, where_counted


def mean_accuracy(
    probabilities: Tensor, target: Target, curves: Sequence[Curve]
) -> Tensor:
    """Return the mean over all classes of the share found, absent as 0.

    Args:
        probabilities: Shape ``(N, C, ...)``.
        target: What they are compared with.
        curves: h1.
    """
    found, size = _found_and_size(probabilities, target, curves[0])
    return where_counted((found / (size + EPS)).mean(), size.sum())


def global_accuracy(
    probabilities: Tensor, target: Target, curves: Sequence[Curve]
) -> Tensor:
    """Return the share of all pixels that is found.

    Args:
        probabilities: Shape ``(N, C, ...)``.
        target: What they are compared with.
        curves: h1.
    """
    found, size = _found_and_size(probabilities, target, curves[0])
    total = size.sum()
    return where_counted(found.sum() / (total + EPS), total)


def _found_and_size(
    probabilities: Tensor, target: Target, curve: Curve
) -> tuple[Tensor, Tensor]:
    """Return sums of h1(p) y and of y, each of shape ``(C,)``."""
    own = curve(target.of_class(probabilities))
    return target.class_sums(own), target.class_sums()
