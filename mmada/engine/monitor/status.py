"""What is known of a run at one moment, and its file for other programs."""

from __future__ import annotations

import contextlib
import datetime
import enum
import json
import logging
import math
import os
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmengine.logging import print_log

from mmada.utils.files import remove_leftovers, replace

FORMAT = 1
"""Version of the layout of `RunStatus.to_json`; raise it when it changes."""
_SECONDS = 2.0


class Phase(enum.Enum):
    """What a run is doing, or how it ended."""

    STARTING = 'starting'
    PSEUDO_EPOCH = 'pseudo epoch'
    EXPLORING = 'exploring'
    TRAINING = 'training'
    FINISHED = 'finished'
    FAILED = 'failed'
    STOPPED = 'stopped'


@dataclass
class RunStatus:
    """Where a run is; numbers count from 1, None is what does not apply.

    Attributes:
        phase: What it is doing.
        search: Directory of the exploration, inside the work directory.
        round: Round in progress.
        num_rounds: T.
        replicas: Replicas in progress.
        num_replicas: m.
        iteration: Iterations done of this rank's replica, of the pseudo
            epoch or of the training.
        num_iterations: Of these, how many there are.
        epoch: Epoch of the training in progress.
        num_epochs: Epochs of the training.
        metric: Key of the metric that is maximised.
        best_metric: Its best value so far in this phase.
        seconds_left: Estimate for this phase.
        nothing_learned: Why the last search that is over learned nothing.
        error: First line of what ended a failed run.
    """

    phase: Phase = Phase.STARTING
    search: str | None = None
    round: int | None = None
    num_rounds: int | None = None
    replicas: tuple[int, ...] = ()
    num_replicas: int | None = None
    iteration: int | None = None
    num_iterations: int | None = None
    epoch: int | None = None
    num_epochs: int | None = None
    metric: str | None = None
    best_metric: float | None = None
    seconds_left: float | None = None
    nothing_learned: str | None = None
    error: str | None = None

    @property
    def progress(self) -> float | None:
        """Part of this phase that is done, in [0, 1]; None if unknown."""
        if not self.num_iterations:
            return None
        part = (self.iteration or 0) / self.num_iterations
        if self.round is None:
            return part
        # Those before the ones in progress are done.
        replica = (min(self.replicas, default=1) - 1 + part) / (
            self.num_replicas or 1
        )
        return (self.round - 1 + replica) / (self.num_rounds or 1)

    def to_json(self) -> dict[str, Any]:
        """Return JSON values, None for what is not finite."""
        values = asdict(self) | dict(
            phase=self.phase.value,
            replicas=list(self.replicas),
            progress=self.progress,
        )
        return {
            key: None
            if isinstance(value, float) and not math.isfinite(value)
            else value
            for key, value in values.items()
        }


class StatusFile:
    """Keeps a JSON file up to date, at most every two seconds.

    A reader never sees it half written. It does not wait for the disk: a
    status that is lost in a power cut does no harm, waiting would.
    A disk that fails is logged once, and never ends the run.

    Args:
        path: File to write; its directory is made if missing.
        ranks: Processes of the run.
    """

    def __init__(self, path: Path, ranks: int) -> None:
        self.path = path
        self._process = dict(
            schema=FORMAT,
            pid=os.getpid(),
            host=socket.gethostname(),
            ranks=ranks,
            started=_now(),
        )
        self._written = -_SECONDS
        self._failed = False
        with contextlib.suppress(OSError):
            remove_leftovers(path.parent)

    def show(self, status: RunStatus, urgent: bool) -> None:
        """Write the status if it is urgent, or the last one is old."""
        now = time.monotonic()
        if not urgent and now - self._written < _SECONDS:
            return
        self._written = now
        content = self._process | dict(updated=_now()) | status.to_json()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps(content, indent=2) + '\n'
            replace(self.path, text, durable=False)
        except OSError as error:
            self._complain(error)

    def close(self) -> None:
        """Leave the file as it is."""

    def _complain(self, error: OSError) -> None:
        if self._failed:
            return
        self._failed = True
        print_log(
            f'Cannot write {self.path}: {error.strerror or error}. The run '
            'goes on; its status is not reported until that works again.',
            logger='current',
            level=logging.WARNING,
        )


def _now() -> str:
    now = datetime.datetime.now(datetime.timezone.utc)
    return now.isoformat(timespec='seconds')
