"""Every method that weighs losses, on several problems, at counted cost.

Trains and tests each method on each problem with each seed. Every line of
`results.jsonl` is one job; a second call does what is missing or failed, and
goes on with searches that were stopped half-way. At the end it writes
`table.md` and `compare.png`. Only the reward images choose anything; a row
sees the test images once, when its model is finished.

python tools/benchmarks/compare/compare.py work_dirs/compare --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from compare_configs import draw_scenes
from compare_schedule import run_jobs
from figure import compare_figure
from jobs import Job, jobs_of, pretrain_job, unit_job
from methods import DEFAULT, QUICK
from problems import ALL, PROBLEMS, TRANSFERS, quick
from results import Results
from rows import Row, make_rows
from selection import (
    Pair,
    check_distinct,
    select,
    select_methods,
    select_pairs,
)
from tables import tables_markdown

from mmada.visualization import save_figure


def plan(pairs: Sequence[Pair], seeds: Sequence[int]) -> list[Job]:
    """Returns all jobs, what is wanted first first: low seeds, then pairs.

    Args:
        pairs: In the order of their importance.
        seeds: The seeds.
    """
    jobs = [make(p) for make in (pretrain_job, unit_job) for p, _ in pairs]
    for seed in seeds:
        for problem, method in pairs:
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
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    args = parse_args(arguments)
    for name, least, low in (
        ('seeds', min(args.seeds), 0),
        ('jobs', args.jobs, 1),
    ):
        if least < low:
            raise ValueError(
                f'`--{name}` is {least}; expected at least {low}.'
            )
    check_distinct('seeds', args.seeds)
    names = args.problems or list(PROBLEMS | TRANSFERS)
    problems = list(select('problems', names, ALL).values())
    if args.quick:
        problems = [quick(problem) for problem in problems]
    default = QUICK if args.quick else DEFAULT
    methods = select_methods(args.methods or default)
    pairs = select_pairs(problems, methods, named=args.methods is not None)
    work_dir = args.work_dir.resolve()
    work_dir.mkdir(parents=True, exist_ok=True)
    results = Results(work_dir / 'results.jsonl')
    if not args.tables:
        jobs = plan(pairs, args.seeds)
        for problem in {j.problem.key: j.problem for j in jobs}.values():
            draw_scenes(problem, work_dir)
        run_jobs(jobs, work_dir, results, args.jobs)
    write(pairs, args.seeds, results, work_dir)


def write(
    pairs: Sequence[Pair],
    seeds: Sequence[int],
    results: Results,
    work_dir: Path,
) -> None:
    """Writes tables and picture, and prints the tables."""
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


if __name__ == '__main__':
    main()
