"""Commands that are stopped, with all their children, when time is over."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

REPO = Path(__file__).resolve().parents[2]


class Clock:
    """The time that is left.

    Args:
        minutes: How much there is.
    """

    def __init__(self, minutes: float) -> None:
        self._end = time.monotonic() + 60 * minutes

    @property
    def left(self) -> float:
        """Seconds, 0 where the time is spent."""
        return max(0.0, self._end - time.monotonic())


class Done(NamedTuple):
    """What became of a command.

    Attributes:
        status: Its exit status; None if it was stopped.
        output: What it printed.
        seconds: How long it ran.
    """

    status: int | None
    output: str
    seconds: float


def call(
    command: Iterable[object], log: Path, limit: float, **env: str
) -> Done:
    """Run a command in the checkout, up to a limit of time.

    Args:
        command: Program and arguments.
        log: File for what it prints.
        limit: Seconds.
        **env: Additional variables of the environment.
    """
    began = time.monotonic()
    with log.open('wb') as file:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=REPO,
            env={**os.environ, 'PYTHONPATH': str(REPO), **env},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            _stop(process)  # ranks and workers that outlive it too
    output = log.read_text(errors='replace')
    return Done(status, output, time.monotonic() - began)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and what it has started.

    By session: each command of a build is a process group of its own.
    """
    for _ in range(2):  # one may be starting another meanwhile
        for path in Path('/proc').glob('[0-9]*'):
            with contextlib.suppress(OSError):
                pid = int(path.name)
                if os.getsid(pid) == process.pid:
                    os.kill(pid, signal.SIGKILL)
    process.wait()
