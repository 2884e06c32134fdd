"""The file of the weights that a training used, period by period."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mmada.utils.files import replace
from mmada.utils.run_files import WEIGHTS_FILE


class WeightsFile:
    """Appends a line for each period of a training.

    At its first line a run drops what it does again after a resume, and what
    another run has left. The file is then replaced as a whole, so that a kill
    leaves the old lines or the new ones. Later lines are appended: to read
    all of them again would take ever longer where periods are short.

    Args:
        work_dir: Of the run.
    """

    def __init__(self, work_dir: str | Path) -> None:
        self._path = Path(work_dir) / WEIGHTS_FILE
        self._begun = False

    def append(self, record: dict[str, Any]) -> None:
        """Append a period's line.

        Args:
            record: With `epoch`, the number of the period, from 1, above
                those of the records before.

        Raises:
            OSError: If it cannot be written; the lines before are kept.
        """
        line = json.dumps(record) + '\n'
        if self._begun and self._path.exists():
            _append(self._path, line.encode())
            return
        kept = self._earlier_lines(record['epoch'])
        text = ''.join(f'{each}\n' for each in kept) + line
        replace(self._path, text, durable=False, site='weights_file')
        self._begun = True

    def _earlier_lines(self, epoch: int) -> list[str]:
        if not self._path.exists():
            return []
        lines = self._path.read_text().splitlines()
        return [line for line in lines if _is_before(line, epoch)]


def _is_before(line: str, epoch: int) -> bool:
    try:
        return bool(json.loads(line)['epoch'] < epoch)
    except (KeyError, TypeError, ValueError):  # not a line of ours
        return False


def _append(path: Path, data: bytes) -> None:
    """Append in one call of the system, or nothing at all."""
    with open(path, 'ab', buffering=0) as file:
        size = file.tell()
        try:
            written = file.write(data)
            if written != len(data):  # the disk is full
                file.write(data[written:])
        except OSError:
            file.truncate(size)
            raise
