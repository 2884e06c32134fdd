"""What a chart shows, apart from how it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mmada.visualization.weights_figure import (
    DASHES,
    Dash,
    Style,
    objective_styles,
    replica_shifts,
)

Kind = Literal['line', 'dots', 'marked', 'bars']
Values = Sequence[float] | NDArray[np.float64]

INK = 'ink'
"""The colour of text, dark on light pages and light on dark ones."""
MUTED = '#8A8F98'
BLUE, ORANGE, GREEN, RED = '#0072B2', '#E69F00', '#009E73', '#D55E00'
SKY, PINK = '#56B4E9', '#CC79A7'
PALETTE = (BLUE, ORANGE, GREEN, RED, SKY, PINK, '#8C6D31', MUTED)


@dataclass(frozen=True)
class Series:
    """Values that are drawn in the same way.

    Attributes:
        name: In the legend; series of the same name share an entry.
        x: Positions, or names of bars.
        y: Values; NaN leaves a gap.
        kind: 'line', 'dots', 'marked' (a line with dots) or 'bars'.
        color: A hexadecimal colour, or `INK`.
        dash: Of the line.
        opacity: From 0 to 1.
    """

    name: str
    x: Sequence[float] | Sequence[str]
    y: Values
    kind: Kind = 'line'
    color: str = INK
    dash: Dash = '-'
    opacity: float = 1.0


@dataclass(frozen=True)
class Chart:
    """A plot.

    Attributes:
        key: Its name in files, unique in a report.
        title: What it shows.
        x_label: Below the horizontal axis.
        y_label: Beside the vertical axis.
        series: What is drawn, the first at the back.
        log: Whether the vertical axis is logarithmic.
        level: Where a thin line is drawn, None for none.
        shaded: Positions on the horizontal axis that are marked.
        shaded_label: What the mark means.
        sideways: Whether bars go from left to right.
    """

    key: str
    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    log: bool = False
    level: float | None = None
    shaded: Sequence[float] = field(default=())
    shaded_label: str = ''
    sideways: bool = False


def cloud(
    name: str, numbers: Sequence[int], values: NDArray, color: str
) -> Series:
    """Return the dots of all replicas, side by side in each round.

    Args:
        name: In the legend.
        numbers: Of the rounds.
        values: (rounds, m), NaN where there is no dot.
        color: Of the dots.
    """
    shifts = replica_shifts(values.shape[1])
    x = (np.array(numbers)[:, None] + shifts).ravel()
    y = values.ravel()
    there = np.isfinite(y)
    return Series(
        name, x[there].tolist(), y[there], 'dots', color, opacity=0.45
    )


def styles_of(names: Sequence[str]) -> dict[str, Style]:
    """Return a line for each objective that shows on any background.

    Where colours run out, dashes separate those of the same colour.
    """
    found: dict[str, Style] = {}
    for name, style in objective_styles(names).items():
        if style.color == '#000000':
            style = style._replace(color=INK)
        free = [
            choice
            for dash in (style.dash, *DASHES)
            if (choice := style._replace(dash=dash)) not in found.values()
        ]
        found[name] = free[0] if free else style
    return found
