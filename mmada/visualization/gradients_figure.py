"""The picture of a diagnosis: shares of the trunk, and cosines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_BAR = '#0072B2'
_CELL = 0.55
_LARGEST_NUMBERED = 16


def gradients_figure(report: Mapping[str, Any]) -> Figure:
    """Draw bars of the shares beside the matrix of the cosines.

    Args:
        report: Of `mmada.diagnostics.gradients.describe_gradients`.

    Returns:
        The figure, to be saved with `save_figure`.
    """
    count = len(report['objectives'])
    height = max(2.8, 1.4 + _CELL * count)
    figure = Figure(figsize=(5 + height, height), layout='constrained')
    bars, matrix = figure.subplots(1, 2, width_ratios=(4.2, height))
    _draw_shares(bars, report)
    image = _draw_cosines(matrix, report)
    figure.colorbar(image, ax=matrix, shrink=0.8)
    return figure


def _draw_shares(axes: Axes, report: Mapping[str, Any]) -> None:
    rows = report['objectives']
    names = [row['name'] for row in rows]
    shares = [100 * (row['share'] or 0.0) for row in rows]
    bars = axes.barh(names, shares, color=_BAR)
    axes.bar_label(bars, fmt='%.3g %%', padding=3, fontsize=8)
    axes.axvline(100 / len(rows), color='0.5', linestyle=':')
    axes.set(
        xlabel="share of the gradients' size (dotted: an even one)",
        title='gradient of each loss',
        xlim=(0, 1.2 * max(*shares, 100 / len(rows))),
    )
    axes.invert_yaxis()


def _draw_cosines(axes: Axes, report: Mapping[str, Any]) -> Any:
    names = [row['name'] for row in report['objectives']]
    cosines = np.array(report['cosines'], dtype=np.float64)
    image = axes.imshow(cosines, cmap='RdBu', vmin=-1, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.set_title('cosines: red pulls apart')
    if len(names) <= _LARGEST_NUMBERED:
        for (i, j), value in np.ndenumerate(cosines):
            text = '-' if np.isnan(value) else f'{round(value, 2) + 0:.2f}'
            dark = abs(value) > 0.6
            axes.text(
                j,
                i,
                text,
                ha='center',
                va='center',
                fontsize=7,
                color='white' if dark else 'black',
            )
    return image
