"""What a work directory holds, and from where a resume would go on."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmada.engine.checkpoints.latest_checkpoint import (
    CheckpointError,
    checkpoint_problem,
    named_checkpoint,
    named_problem,
    search_checkpoint,
    stored_checkpoints,
)
from mmada.engine.state.inspection import StateReport, inspect_states
from mmada.engine.state.run_lock import lock_holder
from mmada.policies.policy_file import PolicyFileError, load_policy
from mmada.utils.files import leftovers


@dataclass(frozen=True)
class FileReport:
    """A checkpoint or a policy file.

    Attributes:
        path: Its path.
        size: Its bytes.
        problem: Why it cannot be used; None if it is good.
        content: What a good policy says of itself.
    """

    path: str
    size: int
    problem: str | None = None
    content: dict[str, Any] | None = None


@dataclass(frozen=True)
class WorkDirReport:
    """All that a resume looks at.

    Attributes:
        states: States of the exploration, newest first.
        initial: The start of an exploration that a training follows.
        locked_by: The live run that uses the directory.
        leftovers: What killed writers left; the next run removes it.
        last_checkpoint: What that file holds; None if there is none.
        checkpoints: Of the training, newest first.
        policy: The policy that was found.
        resume: From what a resume would go on; None if nothing is there.
        obstacle: Why a resume is not possible; None if it is.
        problems: What is damaged.
    """

    states: list[StateReport]
    initial: list[StateReport]
    locked_by: str | None
    leftovers: list[str]
    last_checkpoint: str | None
    checkpoints: list[FileReport]
    policy: FileReport | None
    resume: str | None
    obstacle: str | None
    problems: list[str]


def inspect_work_dir(work_dir: Path) -> WorkDirReport:
    """Verifies all of a work directory; changes nothing of it.

    Args:
        work_dir: Work directory of a run, also of one that runs.
    """
    exploration = work_dir / 'exploration'
    states = inspect_states(exploration / 'states')
    initial = inspect_states(exploration / 'initial')
    check = functools.cache(checkpoint_problem)
    checkpoints = [
        FileReport(str(path), path.stat().st_size, check(path))
        for path in stored_checkpoints(work_dir)
    ]
    policy = _inspect_policy(work_dir / 'policy.safetensors')
    problems = [
        *(r.problem for r in (*states, *initial) if r.problem),
        *_named_problems(work_dir, check),
        *(
            f'{file.path}: {file.problem}'
            for file in (*checkpoints, *filter(None, [policy]))
            if file.problem
        ),
    ]
    resume, obstacle = _resume(work_dir, check, states, initial)
    folders = [work_dir, *(exploration / n for n in ('', 'states', 'initial'))]
    return WorkDirReport(
        states=states,
        initial=initial,
        locked_by=lock_holder(exploration),
        leftovers=[str(p) for f in folders for p in leftovers(f)],
        last_checkpoint=named_checkpoint(work_dir),
        checkpoints=checkpoints,
        policy=policy,
        resume=resume,
        obstacle=obstacle,
        problems=problems,
    )


def _inspect_policy(path: Path) -> FileReport | None:
    if not path.exists():
        return None
    try:
        ensemble = load_policy(path)
    except PolicyFileError as error:
        return FileReport(str(path), path.stat().st_size, error.reason)
    content = dict(
        objectives=list(ensemble.objectives), rounds=ensemble.num_rounds
    )
    return FileReport(str(path), path.stat().st_size, content=content)


def _named_problems(
    work_dir: Path, check: Callable[[Path], str | None]
) -> list[str]:
    named = named_checkpoint(work_dir)
    problem = None if named is None else named_problem(named, check)
    return [f'last_checkpoint ({named!r}): {problem}'] if problem else []


def _resume(
    work_dir: Path,
    check: Callable[[Path], str | None],
    states: list[StateReport],
    initial: list[StateReport],
) -> tuple[str | None, str | None]:
    """Returns what a resume would use, or why there can be none."""
    try:
        checkpoint, _ = search_checkpoint(work_dir, check)
    except CheckpointError as error:
        return None, str(error)
    if checkpoint is not None:
        return f'the training at {checkpoint}', None
    start, obstacle = _newest(initial)
    if obstacle is None:
        state, obstacle = _newest(states)
    if obstacle is not None:
        return None, obstacle
    if state is not None:
        return f'the exploration at {state.path}', None
    if start is not None:
        return f'the start of the exploration, {start.path}', None
    return None, None


def _newest(
    reports: list[StateReport],
) -> tuple[StateReport | None, str | None]:
    """Returns the state that a resume takes, or why it takes none."""
    for report in reports:
        if report.problem is None:
            return report, None
        if not report.passed_over:
            return None, report.problem
    if reports:
        return (
            None,
            f'all states in {Path(reports[0].path).parent} are damaged',
        )
    return None, None
