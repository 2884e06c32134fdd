"""The jobs of the comparison, what each needs, and where it leaves what."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import NamedTuple

from method import Method
from methods import METHODS, SEARCHES
from problems import Problem, counterpart
from results import job_folder

from mmada.utils.run_files import (
    EXPLORATION_DIR,
    EXPLORED_FILE,
    STATES_DIR,
)

PRETRAIN, UNIT, SEARCH, REPLAY, TRAIN = (
    'pretrain',
    'unit',
    'search',
    'replay',
    'train',
)


class Job(NamedTuple):
    """Something to run.

    Attributes:
        kind: One of the five above.
        problem: What on.
        name: Name of the search or of the method.
        seed: Of everything; 0 for what all seeds share.
        needs: Keys of the jobs that have to be done before.
        source: The problem whose policy is used, if that is another one.
    """

    kind: str
    problem: Problem
    name: str
    seed: int
    needs: tuple[str, ...] = ()
    source: Problem | None = None

    @property
    def key(self) -> str:
        """A name that is unique in the benchmark, and its directory's."""
        if self.kind == PRETRAIN:
            return self.problem.start
        name = self.name.replace(' ', '_')
        if self.source:  # whose other definition makes it another job
            name += f'-{self.source.key}'
        return f'{self.problem.key}/{self.kind}-{name}-{self.seed}'


def pretrain_job(problem: Problem) -> Job:
    """Return the job that makes the state all trainings start from."""
    return Job(PRETRAIN, problem, '', 0)


def _start(problem: Problem) -> tuple[str, ...]:
    return (pretrain_job(problem).key,) if problem.pretraining else ()


def unit_job(problem: Problem) -> Job:
    """Return the job that measures what an evaluated image costs."""
    return Job(UNIT, problem, 'ones', 0, _start(problem))


def search_job(problem: Problem, name: str, seed: int) -> Job:
    """Return a search, or the replay of one."""
    if recorded := SEARCHES[name].recorded:
        needs = (search_job(problem, recorded, seed).key,)
        return Job(REPLAY, problem, name, seed, needs)
    return Job(SEARCH, problem, name, seed, _start(problem))


def _recorded_by(search: Job) -> list[Job]:
    """Return the search that another one replays, if it does."""
    recorded = SEARCHES[search.name].recorded
    if not recorded:
        return []
    return [search_job(search.problem, recorded, search.seed)]


def source_of(problem: Problem, method: Method) -> Problem | None:
    """Return the problem that a method's policy is from, if another one."""
    return counterpart(problem, method.source) if method.source else None


def search_of(problem: Problem, method: Method, seed: int) -> Job:
    """Return the search whose policy a method's training uses."""
    if method.source_seed is not None:
        seed = method.source_seed
    source = source_of(problem, method)
    return search_job(source or problem, method.search, seed)


def is_applicable(problem: Problem, method: Method) -> bool:
    """Tell whether the policy that a method uses fits a problem."""
    source = source_of(problem, method)
    return source is None or (
        (source.key != problem.key or method.source_seed is not None)
        and source.objective_names == problem.objective_names
    )


def result_job(problem: Problem, method: Method, seed: int) -> Job:
    """Return the job whose model is a method's result."""
    if method.explored:
        return search_job(problem, method.search, seed)
    source = source_of(problem, method)
    needs = [*_start(problem)]
    if method.search:
        needs.append(search_of(problem, method, seed).key)
    if method.after:
        needs.append(result_job(problem, METHODS[method.after], seed).key)
    return Job(TRAIN, problem, method.name, seed, tuple(needs), source)


def jobs_of(problem: Problem, method: Method, seed: int) -> list[Job]:
    """Return the jobs behind a row, without what all methods share.

    Those on another problem, or with another seed, are not counted as the
    row's cost.
    """
    jobs = [result_job(problem, method, seed)]
    if method.search and not method.explored:
        source = source_of(problem, method)
        search = search_of(problem, method, seed)
        jobs = [*_recorded_by(search), search, *jobs]
        if source and source.pretraining:
            jobs.insert(0, pretrain_job(source))
    if method.after:
        jobs = jobs_of(problem, METHODS[method.after], seed) + jobs
    return jobs


def prune(job: Job, work_dir: Path) -> None:
    """Remove what a recorded job's directory need not keep."""
    folder = job_folder(work_dir, job.key)
    shutil.rmtree(folder / EXPLORATION_DIR / STATES_DIR, ignore_errors=True)
    (folder / EXPLORED_FILE).unlink(missing_ok=True)
