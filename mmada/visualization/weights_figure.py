"""The picture of a search: weights over rounds and epochs, and scores.

A line is drawn by what its objective is: a colour for each kind, a dash for
each stage.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from mmada.visualization.figures import scale_log
from mmada.visualization.history import Epochs, Search, short

Dash = Literal['-', '--', ':', '-.']
DASHES: tuple[Dash, ...] = ('-', '--', ':', '-.')

# Okabe and Ito's colours, which colour-blind readers can tell apart.
_COLORS = {
    'cls': '#0072B2',
    'bbox': '#E69F00',
    'mask': '#009E73',
    'seg': '#D55E00',
}

_OTHER_COLORS = ('#CC79A7', '#56B4E9', '#000000', '#8C6D31', '#7F7F7F')
_STAGE = re.compile(r'(?:(?P<stage>[a-z]+\d+)\.)?(?:loss_)?(?P<kind>.+)')
_SPREAD = 0.5
_SKIPPED = '#EEEEEE'
_GREY = '#9A9A9A'


class Style(NamedTuple):
    """How the line of an objective is drawn.

    Attributes:
        color: Colour of its kind.
        dash: Line style of its stage.
    """

    color: str
    dash: Dash


def weights_figure(
    search: Search, epochs: Epochs | None = None, metric: str | None = None
) -> Figure:
    """Draw what an exploration found and what was made of it.

    The first panel has the weights over rounds: a line through those of the
    winner, a dot for each replica. The second, if ``epochs`` are given, has
    the weights over the epochs of the run that used the policy, on the same
    scale. The last has the metric of each replica and of the winner. Rounds
    without an update of the policy have a grey background.

    Args:
        search: What `read_search` returns.
        epochs: What `read_epochs` returns. Defaults to None.
        metric: Metric to show, with or without its prefix. Defaults to
            None, the one that was maximised.

    Returns:
        The figure, to be saved with `save_figure`.

    Raises:
        ValueError: If it was no search of weights, no replica has the
            metric, or the two runs have different objectives.
    """
    key = _metric_key(search, metric or search.metric)
    _check(search, epochs)
    styles = objective_styles(search.names)
    figure = Figure(figsize=(12.5 if epochs else 9, 4), layout='constrained')
    axes = figure.subplots(1, 3 if epochs else 2, squeeze=False)[0]
    _draw_rounds(axes[0], search, styles)
    if epochs is not None:
        _draw_epochs(axes[1], epochs, styles)
        axes[1].sharey(axes[0])
        axes[1].autoscale(axis='y')
    _draw_metric(axes[-1], search, key)
    figure.legend(
        handles=_objective_handles(styles),
        loc='outside right upper',
        title='objective',
        frameon=False,
        handlelength=2.8,
    )
    return figure


def _metric_key(search: Search, metric: str) -> str:
    for key in sorted(search.metrics):
        if (
            metric in (key, short(key))
            and np.isfinite(search.values(key)).any()
        ):
            return key
    raise ValueError(
        f'`metric` should be one that a replica has, of '
        f'{sorted(search.metrics)}. Found {metric!r}.'
    )


def _check(search: Search, epochs: Epochs | None) -> None:
    if search.what != 'weights':
        raise ValueError(
            f'`search` should be one of loss weights. Found one of '
            f'{search.what}.'
        )
    if epochs is not None and epochs.names != search.names:
        raise ValueError(
            f'`epochs` should have the objectives {list(search.names)} of '
            f'the search. Found {list(epochs.names)}.'
        )


def _draw_rounds(
    axes: Axes, search: Search, styles: Mapping[str, Style]
) -> None:
    rounds, tried, chosen = (
        np.array(search.numbers),
        search.tried,
        search.chosen,
    )
    shifts = replica_shifts(tried.shape[1])
    for i, style in enumerate(styles.values()):
        axes.scatter(
            rounds[:, None] + shifts,
            tried[:, :, i],
            s=9,
            color=style.color,
            alpha=0.4,
            linewidths=0,
        )
        axes.plot(rounds, chosen[:, i], style.dash, color=style.color, lw=1.8)
    _shade_skipped(axes, search)
    _format_axes(
        axes, 'Exploration: weights (dots: replicas, line: winner)', 'round'
    )
    _logarithmic(axes)


def _draw_epochs(
    axes: Axes, epochs: Epochs, styles: Mapping[str, Style]
) -> None:
    for style, values in zip(styles.values(), epochs.weights.T, strict=True):
        axes.plot(
            epochs.numbers, values, style.dash, color=style.color, lw=1.8
        )
    _format_axes(axes, 'Training with the policy: weights', 'epoch')
    _logarithmic(axes)


def _draw_metric(axes: Axes, search: Search, metric: str) -> None:
    rounds, values = np.array(search.numbers), search.values(metric)
    axes.scatter(
        rounds[:, None] + replica_shifts(values.shape[1]),
        values,
        s=14,
        color=_GREY,
        linewidths=0,
        label='replica',
    )
    axes.plot(
        rounds,
        search.of_winner(metric),
        '-o',
        color='black',
        ms=4,
        lw=1.5,
        label='winner',
    )
    _shade_skipped(axes, search)
    _format_axes(
        axes, f'Exploration: {short(metric)} on the reward images', 'round'
    )
    axes.legend(frameon=False, loc='lower right')


def replica_shifts(num_replicas: int) -> NDArray[np.floating]:
    """Return where the replicas of a round stand beside its centre."""
    if num_replicas == 1:
        return np.zeros(1)
    return np.linspace(-_SPREAD / 2, _SPREAD / 2, num_replicas)


def _shade_skipped(axes: Axes, search: Search) -> None:
    label = 'no update'
    for entry in search.rounds:
        if not entry.updated:
            start, end = entry.number - 0.5, entry.number + 0.5
            axes.axvspan(start, end, color=_SKIPPED, lw=0, label=label)
            label = '_once'


def _format_axes(axes: Axes, title: str, label: str) -> None:
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
    dashes = {stage: DASHES[i % len(DASHES)] for i, stage in enumerate(stages)}
    return {
        name: Style(colors[kind], dashes.get(stage, DASHES[0]))
        for name, (stage, kind) in parts.items()
    }


def _split(name: str) -> tuple[str, str]:
    """Return stage, or an empty string, and kind of an objective."""
    match = _STAGE.fullmatch(name)
    if match is None:
        return '', name
    return match['stage'] or '', match['kind']
