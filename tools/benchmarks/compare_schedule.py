"""Runs jobs in several processes, each after those that it needs."""

from __future__ import annotations

import multiprocessing
from collections.abc import Collection, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ProcessPoolExecutor,
    wait,
)
from pathlib import Path

from jobs import Job, prune
from results import Results
from run_job import run


def ready_jobs(
    waiting: Sequence[Job], done: Collection[str], count: int
) -> list[Job]:
    """Returns the first jobs that may start, at most `count`."""
    ready = [job for job in waiting if set(job.needs) <= set(done)]
    return ready[:count]


def run_jobs(
    jobs: Sequence[Job], work_dir: Path, results: Results, processes: int
) -> None:
    """Runs the jobs that have no result yet, the first ones first.

    A job that fails is recorded with its error; those that need it are left
    for another call.

    Args:
        jobs: In the order of their importance.
        work_dir: Directory of the benchmark.
        results: Where a job is recorded, and where it may be found.
        processes: How many at once.

    Raises:
        BrokenProcessPool: If a process was killed; another call goes on.
    """
    done = results.done()
    waiting = [job for job in jobs if job.key not in done]
    print(f'{len(jobs)} jobs, {len(jobs) - len(waiting)} of them done.')
    running: dict[Future, Job] = {}
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(processes, context) as pool:
        while True:
            for job in ready_jobs(waiting, done, processes - len(running)):
                waiting.remove(job)
                running[pool.submit(run, job, work_dir)] = job
            if not running:
                break
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                job, record = running.pop(future), future.result()
                results.append(record)
                if record['error']:
                    print(f'FAILED {job.key}\n{record["error"]}', flush=True)
                    continue
                done.add(job.key)
                prune(job, work_dir)
                print(_line(record), flush=True)
    for job in waiting:
        print(f'Not run, since a job that it needs failed: {job.key}')


def _line(record: dict) -> str:
    pq = record.get('metrics', {}).get('PQ')
    seconds = record.get('counts', {}).get('seconds')
    return ''.join(
        (
            f'done {record["key"]}',
            '' if pq is None else f', PQ {pq:.2f}',
            '' if seconds is None else f', {seconds:.0f} s',
        )
    )
