"""Control points of the curves: checked, decoded, and the identity.

A parameter vector lists ``x1, y1, x2, y2, ...`` of a curve's free points,
curve after curve. ``K`` curves, ``F`` free points of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mmada.surrogates.shape import SurrogateShape


def decode(actions: Tensor, shape: SurrogateShape) -> Tensor:
    """Turn raw actions into control points that rise from 0 to 1.

    Stick-breaking along a curve, for each coordinate on its own: every point
    takes a share of what is left, ``c_k = c_{k-1} + a_k (1 - c_{k-1})``.

    Args:
        actions: Shares in [0, 1], shape ``(..., num_parameters)``.
        shape: The curves.

    Returns:
        Points in [0, 1], shape ``(..., K, F, 2)``.

    Raises:
        ValueError: If the number of actions differs or one is outside.
    """
    if actions.shape[-1:] != (shape.num_parameters,):
        raise ValueError(
            f'`actions` should end in {shape.num_parameters} numbers for '
            f'{shape.metric!r}. Found shape {tuple(actions.shape)}.'
        )
    if not bool(((actions >= 0) & (actions <= 1)).all()):
        raise ValueError(
            f'`actions` should be in [0, 1]. Found {actions.tolist()}.'
        )
    shares = actions.unflatten(-1, (shape.curves, shape.points, 2))
    return 1 - (1 - shares).cumprod(dim=-2)


def identity_action(shape: SurrogateShape) -> Tensor:
    """Return the action that decodes to ``h(x) = x`` for every curve.

    Args:
        shape: The curves.

    Returns:
        Shares 1/(F + 1), 1/F, ..., 1/2 per coordinate, in float64, shape
        ``(num_parameters,)``.
    """
    parts = torch.arange(shape.points + 1, 1, -1, dtype=torch.float64)
    shares = (1 / parts)[None, :, None]
    return shares.expand(shape.curves, -1, 2).flatten()


def identity_points(shape: SurrogateShape) -> Tensor:
    """Return the control points of ``h(x) = x``, shape ``(K, F, 2)``."""
    return decode(identity_action(shape), shape)


def check_points(
    points: Tensor | Sequence[Any], shape: SurrogateShape
) -> Tensor:
    """Return control points as float64 on the CPU, if they are legal.

    Args:
        points: Numbers, flat or nested, of a whole surrogate.
        shape: The curves they should describe.

    Returns:
        A copy of shape ``(K, F, 2)``.

    Raises:
        ValueError: If they are no numbers, too many or too few, outside
            [0, 1], or fall somewhere along a curve.
    """
    try:
        flat = torch.as_tensor(points, dtype=torch.float64).detach()
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(
            f'`points` should be numbers. Found {points!r}.'
        ) from error
    flat = flat.cpu().reshape(-1).clone()
    if flat.numel() != shape.num_parameters:
        raise ValueError(
            f'`points` of {shape.metric!r} should be {shape.num_parameters} '
            f'numbers: {shape.curves} curves of {shape.points} free points. '
            f'Found {flat.numel()}.'
        )
    if not bool(((flat >= 0) & (flat <= 1)).all()):
        raise ValueError(
            f'`points` should be in [0, 1]. Found {flat.tolist()}.'
        )
    shaped = flat.view(shape.curves, shape.points, 2)
    _check_rising(shaped)
    return shaped


def _check_rising(points: Tensor) -> None:
    """Check that both coordinates never fall along any curve."""
    falls = (points.diff(dim=1) < 0).nonzero().tolist()
    if falls:
        curve, point, axis = falls[0]
        before, after = points[curve, point : point + 2, axis].tolist()
        raise ValueError(
            f'`points` should rise along each curve. Found {"xy"[axis]} of '
            f'curve {curve + 1} falling from {before} to {after} after '
            f'free point {point + 1}.'
        )
