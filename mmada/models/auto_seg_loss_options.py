"""Options and inputs of Auto Seg-Loss, read and checked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from mmada.surrogates import (
    NAMED_POINTS,
    find_surrogate,
    identity_points,
    load_curve,
)

Theta = str | os.PathLike[str] | Sequence[float] | Tensor | None


def read_theta(theta: Theta, metric: str) -> Tensor | Sequence[float]:
    """Return control points, wherever they are; checks their metric only."""
    if theta is None:
        return identity_points(find_surrogate(metric).shape)
    if isinstance(theta, str) and theta in NAMED_POINTS:
        found, points = NAMED_POINTS[theta].metric, NAMED_POINTS[theta].points
    elif isinstance(theta, str | os.PathLike):
        if not os.fspath(theta).endswith('.json'):
            raise ValueError(
                f'`theta` should be one of {", ".join(NAMED_POINTS)}, a path '
                f'that ends in .json, or numbers. Found {theta!r}.'
            )
        stored = load_curve(theta)
        found, points = stored.metric, stored.points
    else:
        return theta
    if found != metric:
        raise ValueError(
            f'`theta`={theta!r} is for {found!r}, expected one for {metric!r}.'
        )
    return points


def fill_options(
    metric: str, defaults: dict[str, Any], given: dict[str, Any]
) -> dict[str, Any]:
    """Return the metric's options, with what was given in place."""
    chosen = {name: x for name, x in given.items() if x is not None}
    for name, value in chosen.items():
        if name not in defaults:
            raise ValueError(
                f'`{name}` should be left out: {metric!r} has no edges. '
                f'Found {value!r}.'
            )
    options = defaults | chosen
    tolerance = options.get('tolerance', 0)
    if isinstance(tolerance, bool) or not isinstance(tolerance, int):
        tolerance = -1
    if tolerance < 0:
        raise ValueError(
            '`tolerance` should be an integer of at least 0. '
            f'Found {options["tolerance"]!r}.'
        )
    return options


def check_weight(value: float) -> float:
    """Return a loss weight if it is finite and not negative."""
    if not 0 <= value < float('inf'):
        raise ValueError(
            '`loss_weight` should be finite and not negative. '
            f'Found {value!r}.'
        )
    return float(value)


def check_reduction(avg_factor: float | None, override: str | None) -> None:
    """Refuse what a metric has no meaning for."""
    if avg_factor is not None:
        raise ValueError(
            '`avg_factor` should be None: a metric is no average over '
            f'pixels. Found {avg_factor!r}.'
        )
    if override not in (None, 'mean'):
        raise ValueError(
            "`reduction_override` should be None or 'mean': a metric is one "
            f'number. Found {override!r}.'
        )


def check_shapes(
    score: Tensor, label: Tensor, weight: Tensor | None, needs_maps: bool
) -> None:
    """Check that logits, labels and weights belong to the same pixels."""
    if needs_maps and score.dim() != 4:
        raise ValueError(
            '`cls_score` should have shape (N, C, H, W), for edges to be '
            f'seen. Found {tuple(score.shape)}.'
        )
    if label.is_floating_point():
        raise ValueError(f'`label` should hold integers. Found {label.dtype}.')
    expected = (*score.shape[:1], *score.shape[2:])
    if score.dim() < 2 or tuple(label.shape) != expected:
        raise ValueError(
            f'`label` should have shape {expected} for logits of shape '
            f'{tuple(score.shape)}. Found {tuple(label.shape)}.'
        )
    if weight is not None and weight.shape != label.shape:
        raise ValueError(
            f'`weight` should have shape {expected}. '
            f'Found {tuple(weight.shape)}.'
        )
