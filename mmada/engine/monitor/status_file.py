"""The status of a run as a file for other programs."""

from __future__ import annotations

import datetime
import json
import os
import socket
import time
from pathlib import Path

from mmengine.logging import print_log

from mmada.engine.monitor.status import SCHEMA, RunStatus

FILE = 'status.json'
_SECONDS = 2.0


class StatusFile:
    """Keeps a JSON file up to date, at most every two seconds.

    A reader never sees it half written. It does not wait for the disk: a
    status that lags behind after a power cut does no harm, waiting would.
    A disk that fails is logged once, and never ends the run.

    Args:
        path: File to write; its directory is made if missing.
        ranks: Processes of the run.
    """

    def __init__(self, path: Path, ranks: int) -> None:
        self.path = path
        self._process = dict(
            schema=SCHEMA,
            pid=os.getpid(),
            host=socket.gethostname(),
            ranks=ranks,
            started=_now(),
        )
        self._written = -_SECONDS
        self._failed = False

    def show(self, status: RunStatus, urgent: bool) -> None:
        """Writes the status if it is urgent, or the last one is old."""
        now = time.monotonic()
        if not urgent and now - self._written < _SECONDS:
            return
        self._written = now
        content = self._process | dict(updated=_now()) | status.to_json()
        try:
            self._replace(json.dumps(content, indent=2) + '\n')
        except OSError as error:
            self._complain(error)

    def close(self) -> None:
        """Leaves the file as it is."""

    def _replace(self, text: str) -> None:
        # A fixed name: one process writes here, and a kill leaves one file.
        partial = self.path.with_suffix('.tmp')
        self.path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(text)
        os.replace(partial, self.path)

    def _complain(self, error: OSError) -> None:
        if self._failed:
            return
        self._failed = True
        print_log(
            f'Cannot write {self.path}: {error.strerror or error}. The run '
            'goes on; its status is not reported until that works again.',
            logger='current',
            level=30,
        )


def _now() -> str:
    now = datetime.datetime.now(datetime.timezone.utc)
    return now.isoformat(timespec='seconds')
