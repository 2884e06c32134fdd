"""What is stored in a directory of states, without changing any of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmada.engine.state.manifest import DamagedStateError, StateError
from mmada.engine.state.state_files import (
    load_state,
    state_path,
    stored_steps,
    verify_state,
)


@dataclass(frozen=True)
class StateReport:
    """One stored state.

    Attributes:
        path (str): Its directory.
        step (int): Its number.
        problem (str | None): Why it cannot be used; None if it is good.
        passed_over (bool): Whether a resume goes on to the next older state;
            if it has a problem and this is False, a resume stops here.
        size (int | None): Bytes of its content.
        schema (dict[str, Any] | None): Identity of the run.
        round (int | None): Completed rounds, for the state of an
            exploration.
        replicas (int | None): Replicas of the present round that are done.
    """

    path: str
    step: int
    problem: str | None = None
    passed_over: bool = False
    size: int | None = None
    schema: dict[str, Any] | None = None
    round: int | None = None
    replicas: int | None = None


def inspect_states(root: Path) -> list[StateReport]:
    """Verify and load each state of a directory, newest first.

    A state that a live run removes meanwhile is left out.
    """
    reports = [inspect_state(root, step) for step in stored_steps(root)]
    return [
        report
        for report in reports
        if report.problem is None or Path(report.path).exists()
    ]


def inspect_state(root: Path, step: int) -> StateReport:
    """Verify and load one state.

    Args:
        root (Path): Directory of all states.
        step (int): Number of the state.
    """
    path = str(state_path(root, step))
    try:
        manifest = verify_state(root, step)
        payload: Any = load_state(root, step)
    except DamagedStateError as error:
        return StateReport(path, step, str(error), passed_over=True)
    except StateError as error:
        return StateReport(path, step, str(error))
    progress = payload if isinstance(payload, dict) else {}
    explored = 'round' in progress
    return StateReport(
        path,
        step,
        size=manifest['size'],
        schema=manifest['schema'],
        round=progress.get('round'),
        replicas=len(progress.get('results') or ()) if explored else None,
    )
