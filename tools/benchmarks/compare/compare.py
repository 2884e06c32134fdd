"""Every method that weighs losses, on several problems, at counted cost.

Trains and tests each method on each problem with each seed. Every line of
`results.jsonl` is one job; a second call does what is missing or failed, and
goes on with searches that were stopped half-way. At the end it writes
`table.md`, `compare.png` and `gain.png`. Only the reward images choose
anything; a row sees the test images once, when its model is finished.

python tools/benchmarks/compare/compare.py work_dirs/compare --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
from collections.abc import Collection, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    Future,
    ProcessPoolExecutor,
    wait,
)
from pathlib import Path

from figure import compare_figure, gain_figure
from jobs import PRETRAIN, Job, jobs_of, pretrain_job, prune, unit_job
from methods import DEFAULT, QUICK
from problems import (
    ALL,
    PROBLEMS,
    TRANSFERS,
    prepare_images,
    quick,
    state_file,
)
from results import RESULTS, Results, keep
from rows import Row, make_rows
from run_job import run
from selection import (
    Pair,
    check_distinct,
    check_metric,
    select,
    select_methods,
    select_pairs,
    tool_parser,
)
from tables import tables_markdown

from mmada.commands.command_line import ends_with_reader
from mmada.visualization import save_figure


def parse_args(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = tool_parser(__doc__)
    parser.add_argument(
        '--problems',
        nargs='+',
        help='default: all but the tuning and those on real images',
    )
    parser.add_argument(
        '--methods',
        nargs='+',
        help='default: all; where policies are transferred, what those are '
        'compared with',
    )
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--jobs', type=int, default=os.cpu_count())
    parser.add_argument('--quick', action='store_true', help='a small part')
    parser.add_argument(
        '--tables', action='store_true', help='of what is there; run nothing'
    )
    parser.add_argument(
        '--keep',
        type=Path,
        metavar='FOLDER',
        help='copy results there, from which tables can be made again and a '
        'later call goes on: a few kB a job, no models',
    )
    return parser.parse_args(arguments)


@ends_with_reader()
def main(arguments: Sequence[str] | None = None) -> None:
    args = parse_args(arguments)
    for name, least, low in (
        ('seeds', min(args.seeds), 0),
        ('jobs', args.jobs, 1),
    ):
        if least < low:
            raise ValueError(
                f'`--{name}` should be at least {low}. Found {least}.'
            )
    check_distinct('seeds', args.seeds)
    names = args.problems or list(PROBLEMS | TRANSFERS)
    problems = list(select('problems', names, ALL).values())
    check_metric(problems)
    if args.quick:
        problems = [quick(problem) for problem in problems]
    default = QUICK if args.quick else DEFAULT
    methods = select_methods(args.methods or default)
    pairs = select_pairs(problems, methods, named=args.methods is not None)
    work_dir = args.work_dir.resolve()
    work_dir.mkdir(parents=True, exist_ok=True)
    results = Results(work_dir / RESULTS)
    if not args.tables:
        jobs = plan(pairs, args.seeds)
        for problem in {j.problem.key: j.problem for j in jobs}.values():
            prepare_images(problem, work_dir)
        run_jobs(jobs, work_dir, results, args.jobs)
    write(pairs, args.seeds, results, work_dir)
    if args.keep:
        keep(work_dir, args.keep)


def plan(pairs: Sequence[Pair], seeds: Sequence[int]) -> list[Job]:
    """Return all jobs, what is wanted first first: low seeds, then pairs.

    Args:
        pairs: In the order of their importance.
        seeds: The seeds.
    """
    jobs = [pretrain_job(p) for p, _ in pairs if p.pretraining]
    jobs += [unit_job(p) for p, _ in pairs]
    for seed in seeds:
        for problem, method in pairs:
            jobs += jobs_of(problem, method, seed)
    return list({job.key: job for job in jobs}.values())


def ready_jobs(
    waiting: Sequence[Job], done: Collection[str], count: int
) -> list[Job]:
    """Return the first jobs that may start, at most `count`."""
    ready = [job for job in waiting if set(job.needs) <= set(done)]
    return ready[:count]


def lost_starts(
    jobs: Sequence[Job], done: Collection[str], work_dir: Path
) -> set[str]:
    """Return keys of start states that are wanted, and not there any more.

    Kept results have no models, so a start is made again for further rows.

    Args:
        jobs: All of them.
        done: Keys of those with a result.
        work_dir: Directory of the benchmark.
    """
    wanted = {
        need for job in jobs if job.key not in done for need in job.needs
    }
    return {
        job.key
        for job in jobs
        if job.kind == PRETRAIN
        and job.key in wanted
        and not state_file(job.problem, work_dir).exists()
    }


def run_jobs(
    jobs: Sequence[Job], work_dir: Path, results: Results, processes: int
) -> None:
    """Run the jobs that have no result yet, the first ones first.

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
    done -= lost_starts(jobs, done, work_dir)
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
    metrics = record.get('metrics', {})
    seconds = record.get('counts', {}).get('seconds')
    return ''.join(
        (
            f'done {record["key"]}',
            *(f', {name} {metrics[name]:.2f}' for name in list(metrics)[:1]),
            '' if seconds is None else f', {seconds:.0f} s',
        )
    )


def write(
    pairs: Sequence[Pair],
    seeds: Sequence[int],
    results: Results,
    work_dir: Path,
) -> None:
    """Write tables and picture, and print the tables."""
    records = results.read()
    rows: dict[str, list[Row]] = {}
    for problem, _ in pairs:
        if problem.name not in rows:
            methods = [method for p, method in pairs if p == problem]
            rows[problem.name] = make_rows(
                problem, methods, seeds, records, work_dir
            )
    text = tables_markdown(rows)
    (work_dir / 'table.md').write_text(text)
    print(text)
    if any(rows.values()):
        save_figure(compare_figure(rows), work_dir / 'compare.png')
    if any(row.differences for some in rows.values() for row in some):
        save_figure(gain_figure(rows), work_dir / 'gain.png')


if __name__ == '__main__':
    main()
