"""What a work directory holds, and from where a resume would go on.

Nothing is changed, and no config is needed: a run may be using the directory.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
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
from mmada.engine.state.payload import DamagedStateError, StateError
from mmada.engine.state.run_lock import lock_holder
from mmada.engine.state.state_files import (
    load_state,
    state_path,
    state_size,
    stored_steps,
    verify_state,
)
from mmada.policies.policy_file import PolicyFileError, load_policy
from mmada.utils.files import leftovers
from mmada.utils.run_files import (
    EXPLORATION_DIR,
    INITIAL_DIR,
    POLICY_FILE,
    STATES_DIR,
    search_directories,
)

Check = Callable[[Path], str | None]


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
        identity: Of the run.
        round: Completed rounds, for the state of a search.
        replicas: Replicas of the present round that are done.
    """

    path: str
    step: int
    problem: str | None = None
    passed_over: bool = False
    size: int | None = None
    identity: dict[str, Any] | None = None
    round: int | None = None
    replicas: int | None = None


@dataclass(frozen=True)
class SearchReport:
    """A search, of which a run may have several.

    Attributes:
        directory: Its directory.
        states: Its states, newest first.
        initial: Its start, if a training follows it.
        locked_by: The live run that uses the directory.
    """

    directory: str
    states: list[StateReport]
    initial: list[StateReport]
    locked_by: str | None


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
        searches: The one with the newest state first.
        leftovers: What killed writers left; the next run removes it.
        last_checkpoint: What that file holds; None if there is none.
        checkpoints: Of the training, newest first.
        policy: The policy that was found.
        resume: From what a resume would go on; None if nothing is there.
        obstacle: Why a resume is not possible; None if it is.
        problems: What is damaged.
    """

    searches: list[SearchReport]
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
    directories = search_directories(work_dir)
    searches = [
        _inspect_search(path)
        for path in sorted(directories, key=_last_change, reverse=True)
    ]
    check = functools.cache(checkpoint_problem)
    checkpoints = [
        FileReport(str(path), path.stat().st_size, check(path))
        for path in stored_checkpoints(work_dir)
    ]
    policy = _inspect_policy(work_dir / POLICY_FILE)
    resume, obstacle = _resume(work_dir, check, searches)
    return WorkDirReport(
        searches=searches,
        leftovers=list(_leftovers(work_dir, directories)),
        last_checkpoint=named_checkpoint(work_dir),
        checkpoints=checkpoints,
        policy=policy,
        resume=resume,
        obstacle=obstacle,
        problems=[
            *_state_problems(searches),
            *_named_problems(work_dir, check),
            *_file_problems([*checkpoints, *filter(None, [policy])]),
        ],
    )


def inspect_states(root: Path) -> list[StateReport]:
    """Verify and load each state of a directory, newest first.

    A state that a live run removes meanwhile is left out.
    """
    reports = [_inspect_state(root, step) for step in stored_steps(root)]
    return [
        report
        for report in reports
        if report.problem is None or Path(report.path).exists()
    ]


def _inspect_search(directory: Path) -> SearchReport:
    return SearchReport(
        str(directory),
        inspect_states(directory / STATES_DIR),
        inspect_states(directory / INITIAL_DIR),
        lock_holder(directory),
    )


def _inspect_state(root: Path, step: int) -> StateReport:
    path = str(state_path(root, step))
    try:
        manifest = verify_state(root, step)
        payload = load_state(root, step)
    except DamagedStateError as error:
        return StateReport(path, step, str(error), passed_over=True)
    except StateError as error:
        return StateReport(path, step, str(error))
    explored = 'round' in payload
    return StateReport(
        path,
        step,
        size=state_size(manifest),
        identity=manifest['schema'],
        round=payload.get('round'),
        replicas=len(payload.get('results') or ()) if explored else None,
    )


def _last_change(directory: Path) -> int:
    """Return when the newest state of a search was stored."""
    roots = (directory / name for name in (STATES_DIR, INITIAL_DIR))
    times = [
        path.stat().st_mtime_ns
        for root in roots
        for path in root.glob('step_*/*')
    ]
    return max(times, default=0)


def _inspect_policy(path: Path) -> FileReport | None:
    if not path.exists():
        return None
    try:
        ensemble = load_policy(path)
    except PolicyFileError as error:
        return FileReport(str(path), path.stat().st_size, error.reason)
    content = dict(
        objectives=list(ensemble.objectives), policies=ensemble.num_rounds
    )
    return FileReport(str(path), path.stat().st_size, content=content)


def _leftovers(work_dir: Path, directories: list[Path]) -> Iterator[str]:
    names = ('', STATES_DIR, INITIAL_DIR)
    folders = (
        work_dir,
        work_dir / EXPLORATION_DIR,  # that of the status in any case
        *(directory / name for directory in directories for name in names),
    )
    for folder in dict.fromkeys(folders):
        yield from map(str, leftovers(folder))


def _state_problems(searches: list[SearchReport]) -> Iterator[str]:
    for search in searches:
        for state in (*search.states, *search.initial):
            if state.problem is not None:
                yield state.problem


def _file_problems(files: list[FileReport]) -> Iterator[str]:
    for file in files:
        if file.problem is not None:
            yield f'{file.path}: {file.problem}'


def _named_problems(work_dir: Path, check: Check) -> list[str]:
    named = named_checkpoint(work_dir)
    problem = None if named is None else named_problem(named, check)
    return [f'last_checkpoint ({named!r}): {problem}'] if problem else []


def _resume(
    work_dir: Path, check: Check, searches: list[SearchReport]
) -> tuple[str | None, str | None]:
    """Return what a resume would use, or why there can be none.

    A resume looks at each search before the training, and goes on with the
    last that was begun.
    """
    try:
        checkpoint, _ = search_checkpoint(work_dir, check)
    except CheckpointError as error:
        return None, str(error)
    if checkpoint is not None:
        return f'the training at {checkpoint}', None
    found: list[str] = []
    for search in searches:
        start, obstacle = _newest(search.initial)
        if obstacle is None:
            state, obstacle = _newest(search.states)
        if obstacle is not None:
            return None, obstacle
        if state is not None:
            found.append(f'the exploration at {state.path}')
        elif start is not None:
            found.append(f'the start of the exploration, {start.path}')
    return next(iter(found), None), None


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
