"""Which hook is for which kind of weighting."""

from __future__ import annotations

from typing import Any, TypeVar

from mmengine.registry import TASK_UTILS

W = TypeVar('W')


def build_weighting_of(kind: type[W], config: dict[str, Any]) -> W:
    """Builds a weighting of the kind that a hook can use.

    Raises:
        ValueError: If it is of another kind.
    """
    weighting = TASK_UTILS.build(config)
    if not isinstance(weighting, kind):
        raise ValueError(
            f'`weighting.type` is {type(weighting).__name__}; expected a '
            f'{kind.__name__}. Other kinds have a hook of their own.'
        )
    return weighting
