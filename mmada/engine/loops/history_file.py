"""The rounds of a search in a file that a person can read."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mmada.engine.exploration.history import finite

FILE = 'history.jsonl'


def write_history(directory: Path, records: Iterable[dict[str, Any]]) -> None:
    """Replaces the history of a search in one step.

    Args:
        directory: Of the search.
        records: Of all rounds so far.
    """
    path = directory / FILE
    partial = path.with_suffix('.tmp')
    lines = (
        json.dumps(finite(record), allow_nan=False) + '\n'
        for record in records
    )
    partial.write_text(''.join(lines))
    os.replace(partial, path)
