"""Every method that weighs losses, on several problems, at counted cost.

Trains and tests each method on each problem with each seed. Every line of
`results.jsonl` is one job; a second call does what is missing or failed, and
goes on with searches that were stopped half-way. At the end it writes
`table.md` and `compare.png`. Only the reward images choose anything; a row
sees the test images once, when its model is finished.

python tools/benchmarks/compare.py work_dirs/compare --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from compare_configs import draw_scenes
from compare_figure import compare_figure
from compare_jobs import Job, jobs_of, pretrain_job, unit_job
from compare_kinds import Method
from compare_methods import METHODS, QUICK, missing_types
from compare_problems import PROBLEMS, TUNINGS, Problem, quick
from compare_results import Results
from compare_rows import make_rows
from compare_schedule import run_jobs
from compare_tables import tables_markdown

from mmada.visualization import save_figure

T = TypeVar('T')


def select(
    kind: str, names: Sequence[str] | None, known: dict[str, T]
) -> dict[str, T]:
    """Returns the entries that were asked for; all if none was named.

    Raises:
        ValueError: If there is no entry of a name, or it was named twice.
    """
    if names is None:
        return dict(known)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            f'`--{kind}` has {", ".join(map(repr, unknown))}; expected some '
            f'of {", ".join(map(repr, known))}.'
        )
    _check_distinct(kind, names)
    return {name: known[name] for name in names}


def select_methods(names: Sequence[str] | None) -> list[Method]:
    """Returns the methods; those that cannot be built yet only if named.

    Raises:
        ValueError: If a method that was named has no implementation.
    """
    methods = []
    for method in select('methods', names, METHODS).values():
        missing = ', '.join(missing_types(method))
        if missing and names is not None:
            raise ValueError(
                f'`--methods` has {method.name!r}, which needs {missing}; '
                'expected methods whose types are registered.'
            )
        if missing:
            print(
                f'Left out: {method.name!r} needs {missing}, which nobody '
                'has registered.'
            )
        else:
            methods.append(method)
    return methods


def plan(
    problems: Iterable[Problem],
    methods: Sequence[Method],
    seeds: Sequence[int],
) -> list[Job]:
    """Returns all jobs, what is wanted first first: low seeds, then methods.

    Args:
        problems: The problems.
        methods: In the order of their importance.
        seeds: The seeds.
    """
    problems = list(problems)
    jobs = [make(p) for make in (pretrain_job, unit_job) for p in problems]
    for seed in seeds:
        for method in methods:
            for problem in problems:
                jobs += jobs_of(problem, method, seed)
    return list({job.key: job for job in jobs}.values())


def parse_args(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('work_dir', type=Path)
    parser.add_argument(
        '--problems', nargs='+', help='default: all but the tuning'
    )
    parser.add_argument('--methods', nargs='+', help='default: all')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--jobs', type=int, default=os.cpu_count())
    parser.add_argument('--quick', action='store_true', help='a small part')
    parser.add_argument(
        '--tables', action='store_true', help='of what is there; run nothing'
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse_args(arguments)
    for name, values in dict(seeds=args.seeds, jobs=[args.jobs - 1]).items():
        if min(values) < 0:
            raise ValueError(f'`--{name}` is too small, found {values}.')
    _check_distinct('seeds', args.seeds)
    names = QUICK if args.quick and args.methods is None else args.methods
    methods = select_methods(names)
    names = args.problems or list(PROBLEMS)
    known = PROBLEMS | TUNINGS
    problems = list(select('problems', names, known).values())
    if args.quick:
        problems = [quick(problem) for problem in problems]
    work_dir = args.work_dir.resolve()
    work_dir.mkdir(parents=True, exist_ok=True)
    results = Results(work_dir / 'results.jsonl')
    if not args.tables:
        for problem in problems:
            draw_scenes(problem, work_dir)
        jobs = plan(problems, methods, args.seeds)
        run_jobs(jobs, work_dir, results, args.jobs)
    write(problems, methods, args.seeds, results, work_dir)


def write(
    problems: Iterable[Problem],
    methods: Sequence[Method],
    seeds: Sequence[int],
    results: Results,
    work_dir: Path,
) -> None:
    """Writes tables and picture, and prints the tables."""
    records = results.read()
    rows = {
        problem.name: make_rows(problem, methods, seeds, records, work_dir)
        for problem in problems
    }
    text = tables_markdown(rows)
    (work_dir / 'table.md').write_text(text)
    print(text)
    if any(rows.values()):
        save_figure(compare_figure(rows), work_dir / 'compare.png')


def _check_distinct(kind: str, values: Sequence[object]) -> None:
    if len(set(values)) < len(values):
        raise ValueError(
            f'`--{kind}` is {list(values)}; expected different values.'
        )


if __name__ == '__main__':
    main()
