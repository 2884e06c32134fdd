"""What searches promised against all weights 1, and what trainings kept.

Reads searches of `compare.py` that have a control: the metric that the last
step promised above it on the reward images, and how far the training with the
policy ended above that of ones on the same images and on the test images.

python tools/benchmarks/compare/promises.py docs/results
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from jobs import result_job, search_job
from method import Method
from methods import METHODS, SEARCHES
from problems import WITH_COUNTS, Problem
from results import HISTORY, RESULTS, Record, Results, job_folder
from selection import tool_parser

from mmada.commands.command_line import ends_with_reader
from mmada.visualization import read_search


class Promise(NamedTuple):
    """A search and the training after it, in PQ above all weights 1.

    Attributes:
        problem: Name of the problem.
        method: Name of the method.
        seed: Of both.
        promised: By the search, on the reward images.
        reward: By the training, on the reward images.
        test: By the training, on the test images.
    """

    problem: str
    method: str
    seed: int
    promised: float
    reward: float
    test: float


def promises(work_dir: Path, seeds: Sequence[int]) -> Iterator[Promise]:
    """Yield the searches of a benchmark that made a promise.

    Args:
        work_dir: Directory of the benchmark.
        seeds: Of the searches.
    """
    records = Results(work_dir / RESULTS).read()
    for problem in WITH_COUNTS.values():
        for method in METHODS.values():
            if not _is_judged_by_the_reward(method):
                continue
            for seed in seeds:
                ended = _ended(records, problem, method, seed)
                promised = _promised(work_dir, problem, method, seed)
                if ended is not None and promised is not None:
                    yield Promise(
                        problem.name, method.name, seed, promised, *ended
                    )


def _is_judged_by_the_reward(method: Method) -> bool:
    """Tell whether a promise is in the unit of the records' rewards."""
    if not method.search or method.source or method.explored:
        return False
    search = SEARCHES[method.search]
    return not search.recorded and search.scored_on == 'reward'


def _promised(
    work_dir: Path, problem: Problem, method: Method, seed: int
) -> float | None:
    """Return what a search promised above its control, if it has one."""
    job = search_job(problem, method.search, seed)
    file = job_folder(work_dir, job.key) / HISTORY
    search = read_search(file) if file.exists() else None
    info = search.rounds[-1].info if search else {}
    promised, control = info.get('promised'), info.get('control')
    if promised is None or control is None:
        return None
    return promised - control


def _ended(
    records: Mapping[str, Record], problem: Problem, method: Method, seed: int
) -> tuple[float, float] | None:
    """Return how far a training ended above ones, on reward and test."""
    own, ones = (
        records.get(result_job(problem, each, seed).key)
        for each in (method, METHODS['ones'])
    )
    if not own or not ones or own['error'] or ones['error']:
        return None
    reward, test = (
        own[images]['PQ'] - ones[images]['PQ']
        for images in ('reward', 'metrics')
    )
    return reward, test


@ends_with_reader()
def main(arguments: Sequence[str] | None = None) -> None:
    parser = tool_parser(__doc__)
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    args = parser.parse_args(arguments)
    print('| problem | method | seed | promised | reward | test |')
    print('| - | - | -: | -: | -: | -: |')
    for each in promises(args.work_dir, args.seeds):
        values = ' | '.join(f'{value:+.1f}' for value in each[3:])
        print(f'| {each.problem} | {each.method} | {each.seed} | {values} |')


if __name__ == '__main__':
    main()
