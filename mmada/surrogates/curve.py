"""A curve from (0, 0) to (1, 1), of quadratic Bezier pieces end to end.

Of a piece with corners (x0, y0), (x1, y1), (x2, y2): w = x2 - x0 is its
width, a = (x1 - x0) / w the place of its middle corner, u = (x - x0) / w that
of x, b0 = y1 - y0 and b1 = y2 - y1 its rises. Then

    r = sqrt(a^2 + (1 - 2a) u),   t = u / (a + r),
    y = y0 + 2 b0 t + (b1 - b0) t^2,   dy/dx = (b0 + (b1 - b0) t) / (w r).

No curve divides by zero: a keeps a small distance from 0 and 1, and no piece
is narrower than `MIN_WIDTH`, so a vertical piece becomes a very steep one.

A parameter vector lists ``x1, y1, x2, y2, ...`` of a curve's free points,
curve after curve. A surrogate metric has ``K`` curves of ``P`` pieces each,
with ``F = 2 P - 1`` free points (:class:`SurrogateShape`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

MAX_SLOPE = 1e4
MIN_MARGIN = 1e-4
# Ends of pieces lie on a grid that float32 holds exactly, so that t is
# exactly 0 and 1 there.
GRID = 2.0**-23
MIN_WIDTH = 8 * GRID
# Within 1 / SWITCH of a knot the slopes of both its pieces mix.
SWITCH = 2.0**25


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


@dataclass(frozen=True)
class Curve:
    """A rising curve h from [0, 1] to [0, 1] with h(0) = 0 and h(1) = 1.

    Args:
        pieces: Its pieces, from left to right.
    """

    pieces: tuple[Piece, ...]

    @classmethod
    def from_points(cls, points: Tensor) -> Curve:
        """Build a curve from its free points.

        Args:
            points: Checked free points, shape ``(2 P - 1, 2)``.
        """
        ends = points.new_tensor([[0.0, 0.0], [1.0, 1.0]])
        corners = torch.cat([ends[:1], points, ends[1:]]).tolist()
        xs, ys = zip(*corners, strict=True)
        knots = spaced(list(xs[::2]))
        return cls(
            tuple(
                Piece(
                    start,
                    end,
                    middle_of(start, xs[2 * k + 1], end),
                    ys[2 * k + 1] - ys[2 * k],
                    ys[2 * k + 2] - 2 * ys[2 * k + 1] + ys[2 * k],
                )
                for k, (start, end) in enumerate(
                    zip(knots, knots[1:], strict=False)
                )
            )
        )

    def value_and_slope(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return h(x) and h'(x), at most `MAX_SLOPE`, without gradients.

        Args:
            x: Numbers in [0, 1] of any shape, in float32 or float64.

        Returns:
            Two new tensors of the shape of x.
        """
        value, slope = self.pieces[0].climb(x)
        for piece in self.pieces[1:]:
            more, steeper = piece.climb(x)
            value.add_(more)
            # Arithmetic: a choice by a Boolean costs a CPU ten times as much.
            beyond = x.sub(piece.start).mul_(SWITCH).clamp_(0, 1)
            slope.lerp_(steeper, beyond)
        # Half of it: rounding may make a slope a little steeper than it is.
        if 2 * max(piece.steepest for piece in self.pieces) > MAX_SLOPE:
            slope.clamp_(max=MAX_SLOPE)
        return value, slope

    def __call__(self, x: Tensor) -> Tensor:
        """Return h(x), with gradients."""
        return _Evaluate.apply(x, self)


def spaced(knots: list[float]) -> list[float]:
    """Return the ends of the pieces at least `MIN_WIDTH` apart.

    Args:
        knots: Rising numbers from 0 to 1.
    """
    last = len(knots) - 1
    found = [0.0]
    for k, knot in enumerate(knots[1:-1], 1):
        low = found[-1] + MIN_WIDTH
        high = 1 - (last - k) * MIN_WIDTH
        found.append(min(max(round(knot / GRID) * GRID, low), high))
    return [*found, 1.0]


def middle_of(start: float, middle: float, end: float) -> float:
    """Return where in a piece its middle corner lies, away from both ends."""
    place = (middle - start) / (end - start)
    return min(max(place, MIN_MARGIN), 1 - MIN_MARGIN)


class _Evaluate(torch.autograd.Function):
    """A curve at every element; keeps the slopes alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, curve: Curve) -> Tensor:
        value, slope = curve.value_and_slope(x)
        ctx.save_for_backward(slope)
        return value

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (slope,) = ctx.saved_tensors
        return grad * slope, None


@dataclass(frozen=True)
class Piece:
    """One quadratic Bezier piece.

    Args:
        start: Its first x.
        end: Its last x.
        middle: Place of the middle corner, a, in (0, 1).
        rise: Rise to the middle corner, b0.
        bend: Rise from there on less that one, b1 - b0.
    """

    start: float
    end: float
    middle: float
    rise: float
    bend: float

    @property
    def steepest(self) -> float:
        """The largest slope; a quadratic piece has it at an end."""
        width, a = self.end - self.start, self.middle
        ends = (self.rise / a, (self.rise + self.bend) / (1 - a))
        return max(ends) / width

    def climb(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the piece adds to y up to x, and its slope there.

        Args:
            x: Numbers in [0, 1] of any shape; what lies outside of the piece
                counts as its nearer end.

        Returns:
            Increments in [0, y2 - y0] and slopes, both of the shape of x.
        """
        width, a = self.end - self.start, self.middle
        offset = x if width == 1 else x.clamp(self.start, self.end)
        if self.start:
            offset.sub_(self.start)
        # w r, from the end where it is small: its square is never negative.
        rate = (1 - 2 * a) * width
        if a <= 0.5:
            root = _line(offset, rate, (a * width) ** 2)
        else:
            root = _line(offset - width, rate, ((1 - a) * width) ** 2)
        root.sqrt_()
        t = offset / (root + a * width)
        linear = _line(t, self.bend, self.rise)
        slope = linear / root
        return linear.add_(self.rise).mul_(t), slope


def _line(x: Tensor, slope: float, offset: float) -> Tensor:
    """Return ``slope x + offset`` in one operation."""
    return torch.add(torch.tensor(offset, dtype=x.dtype), x, alpha=slope)


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
    """Return control points as float64 on the CPU, if they are valid.

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
