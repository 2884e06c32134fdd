"""The curve file: control points of one surrogate, with where they are from.

A small JSON file; a digest over metric, points and provenance shows when one
of them was edited.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from mmada.surrogates.curve import check_points
from mmada.surrogates.metrics import find_surrogate
from mmada.utils.files import replace, sha256

FORMAT = 1
"""Version of the format, the only one that is read."""
_FIELDS = {
    'schema': int,
    'metric': str,
    'points': list,
    'provenance': dict,
    'sha256': str,
}


@dataclass(frozen=True)
class StoredCurves:
    """What a curve file holds.

    Args:
        metric: Metric that the points are for.
        points: The points, flat.
        provenance: Where they are from, as JSON has it.
    """

    metric: str
    points: tuple[float, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)


def save_curve(
    path: str | os.PathLike[str],
    metric: str,
    points: Tensor | list[float] | tuple[float, ...],
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """Write a curve file; an older one is replaced as a whole or not at all.

    Args:
        path: File to write.
        metric: Metric that the points are for.
        points: Control points; see :func:`check_points`.
        provenance: Where they are from: anything that JSON can hold.

    Returns:
        The path.

    Raises:
        ValueError: If the metric is unknown, the points are not valid, or
            the provenance is not JSON.
        OSError: If the file cannot be written.
    """
    checked = check_points(points, find_surrogate(metric).shape)
    content: dict[str, Any] = {
        'schema': FORMAT,
        'metric': metric,
        'points': checked.flatten().tolist(),
        'provenance': dict(provenance or {}),
    }
    try:
        content['sha256'] = _digest(content)
        text = json.dumps(content, indent=2, allow_nan=False) + '\n'
    except (TypeError, ValueError) as error:
        raise ValueError(
            f'`provenance` should be what JSON can hold. Found {provenance!r}.'
        ) from error
    replace(Path(path), text)
    return Path(path)


def load_curve(path: str | os.PathLike[str]) -> StoredCurves:
    """Read a curve file and check all of it.

    Args:
        path: File to read.

    Raises:
        ValueError: If it is no curve file or was edited, naming the field.
        OSError: If it cannot be read.
    """
    try:
        content = json.loads(Path(path).read_text(encoding='utf-8'))
    except ValueError as error:
        raise ValueError(f'{path} is not JSON: {error}') from error
    try:
        return _parse(content)
    except ValueError as error:
        raise ValueError(f'{path} is not a curve file: {error}') from error


def _parse(content: Any) -> StoredCurves:
    if not isinstance(content, dict):
        raise ValueError(
            f'it should be an object. Found {type(content).__name__}.'
        )
    for name, kind in _FIELDS.items():
        value = content.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ValueError(
                f'`{name}` should be of type {kind.__name__}. Found {value!r}.'
            )
    if content['schema'] != FORMAT:
        raise ValueError(
            f'`schema` should be {FORMAT}. Found {content["schema"]}.'
        )
    shape = find_surrogate(content['metric']).shape
    points = check_points(content['points'], shape).flatten().tolist()
    if content['sha256'] != _digest(content):
        raise ValueError(
            '`sha256` should be that of `metric`, `points` and `provenance`. '
            'Found another one: one of them was edited.'
        )
    return StoredCurves(
        content['metric'], tuple(points), content['provenance']
    )


def _digest(content: Mapping[str, Any]) -> str:
    """Return the digest of what a curve file is about."""
    kept = {name: content[name] for name in ('metric', 'points', 'provenance')}
    text = json.dumps(kept, sort_keys=True, separators=(',', ':'))
    return sha256(text.encode())
