"""The picture of a search: weights over rounds and epochs, and scores."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from mmada.visualization.figures import scale_log
from mmada.visualization.history import Epoch, Round

# ~~ objective_styles: Lines that tell many objectives apart: a colour a ki


Dash = Literal['-', '--', ':', '-.']

# Okabe and Ito's colours, which colour-blind readers can tell apart.
_COLORS = {
    'cls': '#0072B2',
    'bbox': '#E69F00',
    'mask': '#009E73',
    'seg': '#D55E00',
}
_OTHER_COLORS = ('#CC79A7', '#56B4E9', '#000000', '#8C6D31', '#7F7F7F')
_DASHES: tuple[Dash, ...] = ('-', '--', ':', '-.')
_STAGE = re.compile(r'(?:(?P<stage>[a-z]+\d+)\.)?(?:loss_)?(?P<kind>.+)')


class Style(NamedTuple):
    """How the line of an objective is drawn.

    Attributes:
        color: Colour of its kind.
        dash: Line style of its stage.
    """

    color: str
    dash: Dash


def objective_styles(objectives: Sequence[str]) -> dict[str, Style]:
    """Choose a line for each objective.

    Args:
        objectives: Names such as ``s1.bbox``, ``d3.loss_dice``, ``seg``.

    Returns:
        A style for each name: stages of a kind share its colour, kinds of a
        stage share its dashes.
    """
    parts = {name: _split(name) for name in objectives}
    kinds = dict.fromkeys(kind for _, kind in parts.values())
    stages = dict.fromkeys(stage for stage, _ in parts.values() if stage)
    others = [kind for kind in kinds if kind not in _COLORS]
    colors = _COLORS | {
        kind: _OTHER_COLORS[i % len(_OTHER_COLORS)]
        for i, kind in enumerate(others)
    }
    dashes = {
        stage: _DASHES[i % len(_DASHES)] for i, stage in enumerate(stages)
    }
    return {
        name: Style(colors[kind], dashes.get(stage, _DASHES[0]))
        for name, (stage, kind) in parts.items()
    }


def _split(name: str) -> tuple[str, str]:
    """Return stage, or an empty string, and kind of an objective."""
    match = _STAGE.fullmatch(name)
    if match is None:
        return '', name
    return match['stage'] or '', match['kind']


_SPREAD = 0.5
_SKIPPED = '#EEEEEE'
_GREY = '#9A9A9A'


def weights_figure(
    history: Sequence[Round],
    weights: Sequence[Epoch] = (),
    metric: str = 'PQ',
) -> Figure:
    """Draw what an exploration found and what was made of it.

    The first panel has the weights over rounds: a line through those of the
    winner, a dot for each replica. The second, if ``weights`` are given, has
    the weights over the epochs of the run that used the policy, on the same
    scale. The last has the metric of each replica and of the winner. Rounds
    without an update of the policy have a grey background.

    Args:
        history: The rounds, see `read_history`.
        weights: The epochs, see `read_weights`. Defaults to none.
        metric: Metric to show, without prefix. Defaults to ``'PQ'``.

    Returns:
        The figure, to be saved with `save_figure`.

    Raises:
        ValueError: If there are no rounds, no replica has the metric, or
            the two runs have different objectives.
    """
    _check(history, weights, metric)
    styles = objective_styles(history[0].objectives)
    figure = Figure(figsize=(12.5 if weights else 9, 4), layout='constrained')
    axes = figure.subplots(1, 3 if weights else 2, squeeze=False)[0]
    _draw_rounds(axes[0], history, styles)
    if weights:
        _draw_epochs(axes[1], weights, styles)
        axes[1].sharey(axes[0])
        axes[1].autoscale(axis='y')
    _draw_metric(axes[-1], history, metric)
    figure.legend(
        handles=_objective_handles(styles),
        loc='outside right upper',
        title='objective',
        frameon=False,
        handlelength=2.8,
    )
    return figure


def _check(
    history: Sequence[Round], weights: Sequence[Epoch], metric: str
) -> None:
    if not history:
        raise ValueError('history should have at least one round, found none')
    if weights and weights[0].objectives != history[0].objectives:
        raise ValueError(
            f'the run has the objectives {list(weights[0].objectives)}, the '
            f'exploration {list(history[0].objectives)}'
        )
    if not any(np.isfinite(entry.values(metric)).any() for entry in history):
        found = sorted({key for r in history for m in r.metrics for key in m})
        raise ValueError(f'no replica has the metric {metric!r}, only {found}')


def _draw_rounds(
    axes: Axes, history: Sequence[Round], styles: Mapping[str, Style]
) -> None:
    rounds = np.array([entry.number for entry in history])
    all_weights = np.stack([entry.weights for entry in history])
    chosen = np.stack([entry.weights[entry.best] for entry in history])
    shifts = _shifts(all_weights.shape[1])
    for i, style in enumerate(styles.values()):
        axes.scatter(
            rounds[:, None] + shifts,
            all_weights[:, :, i],
            s=9,
            color=style.color,
            alpha=0.4,
            linewidths=0,
        )
        axes.plot(rounds, chosen[:, i], style.dash, color=style.color, lw=1.8)
    _shade_skipped(axes, history)
    _dress(
        axes, 'Exploration: weights (dots: replicas, line: winner)', 'round'
    )
    _logarithmic(axes)


def _draw_epochs(
    axes: Axes, weights: Sequence[Epoch], styles: Mapping[str, Style]
) -> None:
    epochs = [entry.number for entry in weights]
    values = np.stack([entry.weights for entry in weights])
    for i, style in enumerate(styles.values()):
        axes.plot(epochs, values[:, i], style.dash, color=style.color, lw=1.8)
    _dress(axes, 'Training with the policy: weights', 'epoch')
    _logarithmic(axes)


def _draw_metric(axes: Axes, history: Sequence[Round], metric: str) -> None:
    rounds = np.array([entry.number for entry in history])
    values = np.stack([entry.values(metric) for entry in history])
    best = [entry.best for entry in history]
    winner = values[np.arange(len(history)), best]
    axes.scatter(
        rounds[:, None] + _shifts(values.shape[1]),
        values,
        s=14,
        color=_GREY,
        linewidths=0,
        label='replica',
    )
    axes.plot(
        rounds, winner, '-o', color='black', ms=4, lw=1.5, label='winner'
    )
    _shade_skipped(axes, history)
    _dress(axes, f'Exploration: {metric} on the reward images', 'round')
    axes.legend(frameon=False, loc='lower right')


def _shifts(num_replicas: int) -> np.ndarray:
    """Return where the replicas of a round stand beside its centre."""
    if num_replicas == 1:
        return np.zeros(1)
    return np.linspace(-_SPREAD / 2, _SPREAD / 2, num_replicas)


def _shade_skipped(axes: Axes, history: Sequence[Round]) -> None:
    label = 'no update'
    for entry in history:
        if not entry.updated:
            start, end = entry.number - 0.5, entry.number + 0.5
            axes.axvspan(start, end, color=_SKIPPED, lw=0, label=label)
            label = '_once'


def _dress(axes: Axes, title: str, label: str) -> None:
    axes.set_title(title, fontsize=9.5, loc='left')
    axes.set_xlabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(color='#E4E4E4', lw=0.6)
    axes.set_axisbelow(True)
    axes.spines[['top', 'right']].set_visible(False)


def _logarithmic(axes: Axes) -> None:
    scale_log(axes)
    axes.axhline(1, color='#B0B0B0', lw=0.8, zorder=0)


def _objective_handles(styles: Mapping[str, Style]) -> list[Line2D]:
    return [
        Line2D([], [], color=s.color, linestyle=s.dash, lw=1.8, label=name)
        for name, s in styles.items()
    ]
