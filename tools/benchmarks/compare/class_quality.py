"""PQ of each class, of trainings of `compare.py` on CamVid.

Shows what a mean over classes hides, on the test and on the reward images.

python tools/benchmarks/compare/class_quality.py docs/results \\
    "camvid, misscaled" --seed 1 --methods ones "inverse-loss of kinds"
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from intervals import Floats, quality
from jobs import result_job
from problems import REAL
from results import COUNTS, REWARD_COUNTS, job_folder
from selection import select, select_methods, tool_parser

from mmada.commands.command_line import ends_with_reader
from mmada.datasets.camvid_panoptic import STUFF, THINGS

CLASSES = [each.name for each in THINGS + STUFF]


def class_quality(file: Path) -> Floats:
    """Return PQ of each class over all images of a file of counts."""
    with np.load(file) as stored:
        counts: Floats = stored['counts']
    return quality(counts.sum(0)[:, None])


@ends_with_reader()
def main(arguments: Sequence[str] | None = None) -> None:
    parser = tool_parser(__doc__, 'problem')
    parser.add_argument('--methods', nargs='+', required=True)
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args(arguments)
    (problem,) = select('problem', [args.problem], REAL).values()
    print(f'| weights | images | {" | ".join(CLASSES)} |')
    print('| - | - |' + ' -: |' * len(CLASSES))
    for method in select_methods(args.methods):
        key = result_job(problem, method, args.seed).key
        for images, file in (('test', COUNTS), ('reward', REWARD_COUNTS)):
            values = class_quality(job_folder(args.work_dir, key) / file)
            cells = ' | '.join(f'{value:.1f}' for value in values)
            print(f'| {method.name} | {images} | {cells} |')


if __name__ == '__main__':
    main()
