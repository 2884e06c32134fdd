"""The curves of a searched loss, as they moved over the rounds."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from mmada.surrogates import decode, find_surrogate

_COLORS = matplotlib.colormaps['viridis']


def curves_figure(
    searches: Sequence[tuple[str, Sequence[Sequence[float]], Tensor]],
) -> Figure:
    """Draw one row a search, one panel a curve.

    Args:
        searches: Of each the metric, the mean action of each round, and the
            control points that were found.

    Returns:
        Rounds from dark to light, what was found in red, the identity
        dashed.

    Raises:
        ValueError: If there is no search.
    """
    if not searches:
        raise ValueError('`searches` should not be empty.')
    shapes = [find_surrogate(metric).shape for metric, _, _ in searches]
    columns = max(shape.curves for shape in shapes)
    figure = Figure(
        figsize=(2.4 * columns, 2.4 * len(searches)), layout='constrained'
    )
    axes = figure.subplots(len(searches), columns, squeeze=False)
    for row, (metric, means, points) in zip(axes, searches, strict=True):
        _draw_search(row, metric, means, points)
    return figure


def _draw_search(
    axes: Sequence[Axes],
    metric: str,
    means: Sequence[Sequence[float]],
    points: Tensor,
) -> None:
    surrogate = find_surrogate(metric)
    x = torch.linspace(0, 1, 201, dtype=torch.float64)
    found = surrogate.build_curves(points)
    for number, panel in enumerate(axes):
        if number >= len(found):
            panel.set_axis_off()
            continue
        panel.plot([0, 1], [0, 1], '--', color='0.5', linewidth=1)
        for index, mean in enumerate(means):
            action = torch.tensor(mean, dtype=torch.float64)
            curves = surrogate.build_curves(decode(action, surrogate.shape))
            color = _COLORS(index / max(1, len(means) - 1))
            y = curves[number](x)
            panel.plot(x, y, color=color, linewidth=0.8)
        panel.plot(x, found[number](x), color='crimson', linewidth=2)
        panel.set_title(f'{metric}: h{number + 1}', fontsize=9)
        panel.set_xticks([0, 0.5, 1])
        panel.set_yticks([0, 0.5, 1])
        panel.tick_params(labelsize=7)
