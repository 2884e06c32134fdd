"""The status of a run as one line of a terminal, drawn in place."""

from __future__ import annotations

import logging
import os
import shutil
import time
from typing import TextIO

from mmada.engine.monitor.log_text import format_duration, format_fixed
from mmada.engine.monitor.status import Phase, RunStatus

PROGRESS = 'mmada_progress'
"""Attribute of log records that the line makes superfluous."""
_SECONDS = 0.2
_WIDTH = 20
_ERASE = '\r\x1b[K'
_SHOWN = (Phase.PSEUDO_EPOCH, Phase.EXPLORING, Phase.TRAINING)


def format_line(status: RunStatus) -> str:
    """Say in one line how far a phase is, with bars.

    Args:
        status: Of the run.

    Returns:
        Such as ``exploring [######..............] round 2/6 | replica 3/4
        [##########..........] iter 20/40 | best PQ 55.1 | 0:03:12 left``.
    """
    part = (status.iteration or 0) / (status.num_iterations or 1)
    count = f'iter {status.iteration or 0}/{status.num_iterations}'
    parts = [f'{status.phase.value} {_bar(status.progress or 0.0)}']
    if status.round is not None:
        parts[0] += f' round {status.round}/{status.num_rounds}'
        parts.append(f'{_replicas(status)} {_bar(part)} {count}')
    elif status.epoch is not None:
        parts[0] += f' epoch {status.epoch}/{status.num_epochs}'
        parts.append(count)
    else:
        parts[0] += f' {count}'
    if status.metric and status.best_metric is not None:
        name = status.metric.rpartition('/')[2]
        parts.append(f'best {name} {format_fixed(status.best_metric, 1)}')
    if status.seconds_left is not None:
        parts.append(f'{format_duration(status.seconds_left)} left')
    return ' | '.join(parts)


class TerminalLine:
    """Draws the status below the log, and takes it away for log lines.

    It draws only where the logger writes to a terminal; elsewhere the log
    alone says where the run is, and nothing here writes a byte.

    Args:
        logger: Of the run.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._handlers = [
            handler
            for handler in logger.handlers
            if isinstance(handler, logging.StreamHandler)
            and _is_terminal(handler.stream)
        ]
        self._drawn_at = -_SECONDS
        self._drawn = False
        for handler in self._handlers:
            handler.addFilter(self._let_through)

    def show(self, status: RunStatus, urgent: bool) -> None:
        """Draw the line if it is urgent, or the last one is old."""
        now = time.monotonic()
        if not urgent and now - self._drawn_at < _SECONDS:
            return
        self._drawn_at = now
        if status.phase not in _SHOWN:
            self._erase()
        elif self._handlers:
            columns = shutil.get_terminal_size().columns
            self._drawn = True
            self._write(_ERASE + format_line(status)[: columns - 1])

    def close(self) -> None:
        """Take the line away and let all log lines through again."""
        self._erase()
        self._detach()

    def _let_through(self, record: logging.LogRecord) -> bool:
        """Return whether a handler writes a record; the line goes first."""
        if getattr(record, PROGRESS, False):
            return False
        self._erase()
        return True

    def _erase(self) -> None:
        if self._drawn:
            self._drawn = False
            self._write(_ERASE)

    def _write(self, text: str) -> None:
        stream: TextIO = self._handlers[0].stream
        try:
            stream.write(text)
            stream.flush()
        except (OSError, ValueError):  # the terminal is gone
            self._detach()

    def _detach(self) -> None:
        for handler in self._handlers:
            handler.removeFilter(self._let_through)
        self._handlers = []
        self._drawn = False


def _is_terminal(stream: TextIO | None) -> bool:
    if getattr(stream, 'closed', False):
        return False
    # No stream: a file handler that is not open. Without the method: what
    # stands in for `sys.stdout` to copy it elsewhere can often only write.
    isatty = getattr(stream, 'isatty', None)
    return bool(isatty and isatty()) and os.environ.get('TERM') != 'dumb'


def _bar(part: float) -> str:
    done = int(_WIDTH * min(1.0, part))
    return f'[{"#" * done}{"." * (_WIDTH - done)}]'


def _replicas(status: RunStatus) -> str:
    first = min(status.replicas, default=1)
    last = max(status.replicas, default=1)
    shown = f'replicas {first}-{last}' if last > first else f'replica {first}'
    return f'{shown}/{status.num_replicas}'
