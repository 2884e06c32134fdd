"""Keeps the status of a run and shows it."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from mmada.engine.monitor.status import Phase, RunStatus
from mmada.engine.monitor.status_file import FILE, StatusFile
from mmada.engine.monitor.terminal_line import TerminalLine
from mmada.engine.preemption import Preempted

DIRECTORY = 'exploration'


class View(Protocol):
    """Shows the status of a run; the terminal or a file."""

    def show(self, status: RunStatus, urgent: bool) -> None:
        """Shows it now if it is urgent, else as often as is reasonable."""

    def close(self) -> None:
        """Lets go of what it shows on."""


class Monitor:
    """Shows what a run does while it is entered, and how it ended.

    Nothing is shown before `begin`: until the work directory is locked it
    may belong to another run. Only the main rank shows anything.

    Args:
        runner: The runner.
    """

    def __init__(self, runner: Any) -> None:
        self.runner = runner
        self.status = RunStatus()
        self._views: list[View] = []
        self._begun = False

    def __enter__(self) -> Monitor:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Says how the run ended; the error goes on."""
        if error is None:
            self.enter_phase(Phase.FINISHED, error=None)
        elif isinstance(error, (Preempted, KeyboardInterrupt)):
            self.enter_phase(Phase.STOPPED)
        else:
            self.enter_phase(Phase.FAILED, error=_first_line(error))
        for view in self._views:
            view.close()
        self._views = []

    def begin(self) -> None:
        """Starts to show the run, once; the work directory is its own."""
        if self._begun:
            return
        self._begun = True
        if self.runner.rank == 0:
            path = Path(self.runner.work_dir) / DIRECTORY / FILE
            self._views = [
                StatusFile(path, self.runner.world_size),
                TerminalLine(self.runner.logger),
            ]
        self._show(urgent=True)

    def enter_phase(self, phase: Phase, **fields: Any) -> None:
        """Shows at once that another phase begins.

        Args:
            phase: The phase.
            **fields: Of the status. What is not named becomes unknown when
                a phase of work begins, and stays as it was at the end.
        """
        if phase in (Phase.FINISHED, Phase.FAILED, Phase.STOPPED):
            fields = dict(seconds_left=None, **fields)
        else:
            self.status = RunStatus()
        self._set(phase=phase, **fields)
        self._show(urgent=True)

    def update(self, **fields: Any) -> None:
        """Shows new values of fields of the status, when it is time."""
        self._set(**fields)
        self._show(urgent=False)

    def _set(self, **fields: Any) -> None:
        for name, value in fields.items():
            setattr(self.status, name, value)

    def _show(self, urgent: bool) -> None:
        for view in self._views:
            view.show(self.status, urgent)


def _first_line(error: BaseException) -> str:
    text = str(error).strip().partition('\n')[0]
    return f'{type(error).__name__}: {text}' if text else type(error).__name__
