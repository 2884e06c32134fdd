"""Lines that tell many objectives apart: a colour a kind, a dash a stage."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple

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
