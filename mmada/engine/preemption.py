"""Leaving at a safe point when the machine is taken away."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType

EXIT_STATUS = 75  # EX_TEMPFAIL of sysexits.h: try again later


class Preempted(SystemExit):
    """SIGTERM came; what is committed is where a resume goes on."""

    def __init__(self) -> None:
        super().__init__(EXIT_STATUS)


@contextlib.contextmanager
def stop_on_sigterm() -> Iterator[Callable[[], None]]:
    """Put a SIGTERM off until the code inside asks for it.

    A process that is forked inside handles it as before.

    Yields:
        A function that raises :class:`Preempted` if SIGTERM came; to be
        called between two operations.
    """
    received: list[int] = []
    owner = os.getpid()

    def note(signum: int, frame: FrameType | None) -> None:
        if os.getpid() == owner:
            received.append(signum)
            return
        # A fork, such as a worker of a metric's pool, which ends by SIGTERM.
        signal.signal(signum, kept)
        os.kill(os.getpid(), signum)

    def check() -> None:
        if received:
            raise Preempted

    if threading.current_thread() is not threading.main_thread():
        yield check  # handlers belong to the main thread
        return
    kept = signal.signal(signal.SIGTERM, note)
    try:
        yield check
        check()
    finally:
        signal.signal(signal.SIGTERM, kept)
