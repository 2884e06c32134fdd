"""PQ of each class, of trainings of `compare.py` on CamVid.

Shows what a mean over classes hides, on the test and on the reward images, and
how many segments of each class these have.

python tools/benchmarks/compare/class_quality.py docs/results \\
    "camvid, misscaled" --seed 1 --methods ones "inverse-loss of kinds"
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from intervals import Floats, quality
from jobs import result_job
from problems import REAL, WITH_COUNTS
from results import COUNTS, REWARD_COUNTS, job_folder
from selection import select, select_methods, tool_parser

from mmada.commands.command_line import ends_with_reader
from mmada.datasets.camvid_panoptic import STUFF, THINGS

CLASSES = [each.name for each in THINGS + STUFF]


def class_counts(file: Path) -> Floats:
    """Return the counts of each class over all images, shape (classes, 4)."""
    with np.load(file) as stored:
        counts: Floats = stored['counts']
    return counts.sum(0)


def class_quality(file: Path) -> Floats:
    """Return PQ of each class over all images of a file of counts."""
    return quality(class_counts(file)[:, None])


def segments(file: Path) -> Floats:
    """Return how many segments of each class the truth has: TP + FN."""
    return class_counts(file)[:, [1, 3]].sum(1)


@ends_with_reader()
def main(arguments: Sequence[str] | None = None) -> None:
    parser = tool_parser(__doc__, 'problem')
    parser.add_argument('--methods', nargs='+', required=True)
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args(arguments)
    known = {name: one for name, one in REAL.items() if name in WITH_COUNTS}
    (problem,) = select('problem', [args.problem], known).values()
    print(f'| weights | images | {" | ".join(CLASSES)} |')
    print('| - | - |' + ' -: |' * len(CLASSES))
    methods = select_methods(args.methods)
    keys = [result_job(problem, each, args.seed).key for each in methods]
    for images, name in (('test', COUNTS), ('reward', REWARD_COUNTS)):
        files = [job_folder(args.work_dir, key) / name for key in keys]
        if not files[0].exists():  # a tuning problem scores one set of images
            continue
        _print_row('segments', images, segments(files[0]), '.0f')
        for method, file in zip(methods, files, strict=True):
            _print_row(method.name, images, class_quality(file), '.1f')


def _print_row(name: str, images: str, values: Floats, form: str) -> None:
    cells = ' | '.join(f'{value:{form}}' for value in values)
    print(f'| {name} | {images} | {cells} |')


if __name__ == '__main__':
    main()
