"""What a work directory holds, and from where a resume would go on."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmada.engine.checkpoints import (
    CheckpointError,
    checkpoint_problem,
    named_checkpoint,
    named_problem,
    search_checkpoint,
    stored_checkpoints,
)
from mmada.engine.state.run_lock import lock_holder
from mmada.engine.state.state_files import (
    DamagedStateError,
    StateError,
    load_state,
    state_path,
    stored_steps,
    verify_state,
)
from mmada.policies.policy_file import PolicyFileError, load_policy
from mmada.utils.files import leftovers

# ~~ inspection: What is stored in a directory of states, without changing


@dataclass(frozen=True)
class StateReport:
    """One stored state.

    Attributes:
        path: Its directory.
        step: Its number.
        problem: Why it cannot be used; None if it is good.
        passed_over: Whether a resume goes on to the next older state;
            if it has a problem and this is False, a resume stops here.
        size: Bytes of its content.
        schema: Identity of the run.
        round: Completed rounds, for the state of an
            exploration.
        replicas: Replicas of the present round that are done.
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
        root: Directory of all states.
        step: Number of the state.
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
    """Verify all of a work directory; changes nothing of it.

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
    """Return what a resume would use, or why there can be none."""
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
    """Return the state that a resume takes, or why it takes none."""
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
