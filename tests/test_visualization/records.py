"""Records as a run leaves them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

OBJECTIVES = ['s0.cls', 's1.cls', 'seg']


def round_record(number: int, **changes: Any) -> dict[str, Any]:
    """Return two replicas' round; the second one wins."""
    return {
        'round': number,
        'objectives': OBJECTIVES,
        'weights': [[1.0, 2.0, 3.0 * number], [0.5, 0.25, 4.0 * number]],
        'rewards': [-1.0, 1.0],
        'metrics': [
            {'coco_panoptic/PQ': 40.0 + number, 'coco_panoptic/PQ_th': 1.0},
            {'coco_panoptic/PQ': 50.0 + number, 'coco_panoptic/PQ_th': 2.0},
        ],
        'best': 1,
        'losses': [0.1, 0.2, 0.3],
        'reference': 30.0,
        'updated': True,
        'reason': '',
        'info': {'kl': 0.1},
        **changes,
    }


def epoch_record(number: int, **changes: Any) -> dict[str, Any]:
    """Return one epoch of a run that uses a policy."""
    return {
        'epoch': number,
        'objectives': OBJECTIVES,
        'weights': [1.0, 0.5 * number, 2.0],
        'losses': [],
        **changes,
    }


def write(path: Path, records: list[dict[str, Any]], tail: str = '') -> Path:
    """Write one line for each record, then ``tail``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ''.join(json.dumps(record) + '\n' for record in records)
    path.write_text(lines + tail)
    return path
