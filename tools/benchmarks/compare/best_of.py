"""The best of a few trainings by the reward images, against all weights 1.

What somebody gains who trains once with each of several methods and keeps the
model that is best on held-out images. The costs add up.

python tools/benchmarks/compare/best_of.py docs/results "camvid, misscaled" \\
    --methods ones "inverse-loss of kinds"
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from intervals import bootstrap_interval
from jobs import result_job
from methods import METHODS
from problems import ALL, Problem
from results import RESULTS, Record, Results
from rows import Result, Row, gains, make_rows, resampled_gains
from selection import select, select_methods, tool_parser

from mmada.commands.command_line import ends_with_reader
from mmada.utils.tables import markdown


class Choice(NamedTuple):
    """What was kept with one seed.

    Attributes:
        method: Name of the method.
        result: Its result, at the cost of all methods.
    """

    method: str
    result: Result


def choose(
    problem: Problem, rows: Sequence[Row], records: Mapping[str, Record]
) -> dict[int, Choice]:
    """Return what is best on the reward images, by seed that all have.

    Args:
        problem: The problem.
        rows: Of the methods.
        records: All records by key.
    """
    main, *_ = problem.scoring.columns.values()
    found = {}
    for seed in sorted(set.intersection(*(set(row.results) for row in rows))):
        rewards = [
            records[result_job(problem, row.method, seed).key]['reward'][main]
            for row in rows
        ]
        best = rows[rewards.index(max(rewards))]
        cost = sum(row.results[seed].cost for row in rows)
        result = best.results[seed]._replace(cost=cost)
        found[seed] = Choice(best.method.name, result)
    return found


@ends_with_reader()
def main(arguments: Sequence[str] | None = None) -> None:
    parser = tool_parser(__doc__, 'problem')
    parser.add_argument('--methods', nargs='+', required=True)
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    args = parser.parse_args(arguments)
    (problem,) = select('problem', [args.problem], ALL).values()
    methods = select_methods(args.methods)
    records = Results(args.work_dir / RESULTS).read()
    made = make_rows(
        problem,
        [METHODS['ones'], *methods],
        args.seeds,
        records,
        args.work_dir,
    )
    named = {row.method.name: row for row in made}
    if missing := {'ones', *args.methods} - named.keys():
        raise ValueError(
            '`--methods` should be such that were run on the problem, as ones '
            f'should. Found no result of {", ".join(sorted(missing))}.'
        )
    ones = named['ones']
    chosen = choose(problem, [named[name] for name in args.methods], records)
    lines = [['seed', 'kept', 'score', 'ones', 'cost']]
    lines += [
        [
            str(seed),
            choice.method,
            f'{choice.result.score:.2f}',
            f'{ones.results[seed].score:.2f}',
            f'{choice.result.cost:.1f}',
        ]
        for seed, choice in chosen.items()
    ]
    print('\n'.join(markdown(lines, [0, 2, 3, 4])))
    results = {seed: choice.result for seed, choice in chosen.items()}
    mean = statistics.fmean(gains(results, ones.results))
    low, high = bootstrap_interval(resampled_gains(results, ones.results))
    print(f'\nAgainst ones: {mean:+.2f} [{low:+.2f}, {high:+.2f}]')


if __name__ == '__main__':
    main()
