"""Writing figures without pyplot, whose state is global, and their scales."""

from __future__ import annotations

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import (
    LogLocator,
    NullLocator,
    StrMethodFormatter,
)

_MAX_DPI = 150


def save_figure(figure: Figure, path: Path, dpi: int = 120) -> Path:
    """Write a figure as PNG.

    Args:
        figure: The figure.
        path: File to write; its directory is made if missing.
        dpi: Pixels per inch, at most 150. Defaults to 120.

    Returns:
        The path.

    Raises:
        ValueError: If ``dpi`` is not in 1 to 150, or the name does not end
            with ``.png``.
    """
    if not 1 <= dpi <= _MAX_DPI:
        raise ValueError(f'`dpi` should be in 1 to {_MAX_DPI}. Found {dpi}.')
    if path.suffix != '.png':
        raise ValueError(f'`path` should end with .png. Found {path}.')
    path.parent.mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=dpi)
    return path


def scale_log(axes: Axes) -> None:
    """Make the vertical axis logarithmic, with plain numbers beside it."""
    axes.set_yscale('log')
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(StrMethodFormatter('{x:g}'))
