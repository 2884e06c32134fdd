"""How far the reward images rank fixed weightings as the test images do.

Reads trainings of `compare.py` on one problem, whose finished models were
scored on both, and prints the rank correlation of their means over seeds,
with its interval over draws of the images of both kinds.

python tools/benchmarks/compare/compare.py work_dirs/compare \\
    --problems camvid --methods ones uncertainty "segmentation x2"
python tools/benchmarks/compare/reward_agreement.py work_dirs/compare camvid \\
    --methods ones uncertainty "segmentation x2"
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from intervals import (
    Floats,
    Interval,
    image_draws,
    percentile_interval,
    resampled_quality,
)
from jobs import result_job
from problems import WITH_COUNTS, Problem
from results import COUNTS, RESULTS, REWARD_COUNTS, Results, job_folder
from scipy.stats import spearmanr
from scoring import DRAWS
from selection import select, select_methods, tool_parser

from mmada.commands.command_line import ends_with_reader


def rank_correlation(rewards: Floats, tests: Floats) -> tuple[float, Interval]:
    """Return Spearman's rho of weightings, and its interval.

    Args:
        rewards: PQ on the reward images, shape (weightings, 1 + draws): on
            all images, then on each draw of them.
        tests: The same on the test images.
    """
    values = [
        spearmanr(*pair).statistic
        for pair in zip(rewards.T, tests.T, strict=True)
    ]
    return values[0], percentile_interval(np.array(values[1:]))


def scores(work_dir: Path, keys: Sequence[str], file: str) -> Floats:
    """Return the mean PQ of some trainings, shape (1 + DRAWS,).

    Args:
        work_dir: Directory of the benchmark.
        keys: Of the trainings.
        file: Name of the file with the counts of each image.
    """
    means = []
    for key in keys:
        with np.load(job_folder(work_dir, key) / file) as stored:
            counts = stored['counts']
        # The images differ in kind, so must the draws.
        drawn = image_draws(len(counts), DRAWS, seed=len(counts))
        whole = np.ones((1, len(counts)))
        means.append(resampled_quality(counts, np.vstack([whole, drawn])))
    return np.mean(means, axis=0)


def agreement(
    problem: Problem,
    names: Sequence[str],
    seeds: Sequence[int],
    work_dir: Path,
) -> str:
    """Lay out both scores of each weighting, and their correlation.

    Raises:
        ValueError: If there are fewer than three weightings with a result.
    """
    done = Results(work_dir / RESULTS).done()
    rows = {}
    for method in select_methods(names):
        keys = [result_job(problem, method, seed).key for seed in seeds]
        keys = [key for key in keys if key in done]
        if keys:
            rows[method.name] = (
                scores(work_dir, keys, REWARD_COUNTS),
                scores(work_dir, keys, COUNTS),
                len(keys),
            )
    if len(rows) < 3:
        raise ValueError(
            '`--methods` should be three or more with a result. Found '
            f'{", ".join(rows) or "none"}.'
        )
    lines = ['| weights | seeds | reward | test |', '| - | -: | -: | -: |']
    lines += [
        f'| {name} | {count} | {reward[0]:.1f} | {test[0]:.1f} |'
        for name, (reward, test, count) in rows.items()
    ]
    rewards, tests = (
        np.array([row[part] for row in rows.values()]) for part in (0, 1)
    )
    rho, (low, high) = rank_correlation(rewards, tests)
    return '\n'.join(
        [*lines, '', f'Rank correlation {rho:.2f} [{low:.2f}, {high:.2f}]']
    )


@ends_with_reader()
def main(arguments: Sequence[str] | None = None) -> None:
    parser = tool_parser(__doc__, 'problem')
    parser.add_argument('--methods', nargs='+', required=True)
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    args = parser.parse_args(arguments)
    (problem,) = select('problem', [args.problem], WITH_COUNTS).values()
    print(agreement(problem, args.methods, args.seeds, args.work_dir))


if __name__ == '__main__':
    main()
