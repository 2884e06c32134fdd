"""The weights that a single run used, period by period."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FILE = 'weights.jsonl'


def append_weights(work_dir: str | Path, record: dict[str, Any]) -> None:
    """Appends a period's line, dropping those that a resumed run does again.

    Args:
        work_dir: Of the run.
        record: With `epoch`, the number of the period, from 1.
    """
    path = Path(work_dir) / FILE
    kept: list[str] = []
    if path.exists():
        for line in path.read_text().splitlines():
            try:
                if json.loads(line)['epoch'] < record['epoch']:
                    kept.append(line)
            except ValueError:  # cut off by a kill
                continue
    path.write_text('\n'.join([*kept, json.dumps(record)]) + '\n')
