"""What raising each weight does to PQ, early and late, around all ones.

Reads the trainings `design 0` to `design 15` of `compare.py` on one problem
and prints, for each factor, how far apart those with it raised and those with
it lowered ended, in PQ. Lines without a factor show what chance does.

python tools/benchmarks/compare/compare.py work_dirs/compare --seeds 0 \\
    --problems tuning --methods "design "{0..15}
python tools/benchmarks/compare/weight_effects.py work_dirs/compare tuning
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jobs import result_job
from methods import FACTORS, design, design_rows
from problems import ALL
from results import RESULTS, Record, Results
from selection import select, tool_parser

from mmada.commands.command_line import ends_with_reader

SCORES = ('PQ', 'PQ_th', 'PQ_st')


def effects(scores: np.ndarray) -> np.ndarray:
    """Return mean where a factor is raised minus mean where it is lowered.

    Args:
        scores: Of the trainings, shape ``(SIZE, k)``.

    Returns:
        Of each column of the design, shape ``(SIZE - 1, k)``.
    """
    return 2 * design().T @ scores / len(scores)


def read(
    records: dict[str, Record], problem: str, seeds: Sequence[int]
) -> np.ndarray:
    """Return the scores of the trainings, means over seeds.

    Raises:
        ValueError: If a training is missing.
    """
    (known,) = select('problem', [problem], ALL).values()
    keys = [
        [result_job(known, row, seed).key for seed in seeds]
        for row in design_rows()
    ]
    missing = [
        key
        for row in keys
        for key in row
        if records.get(key, dict(error='missing'))['error']
    ]
    if missing:
        raise ValueError(
            f'{len(missing)} trainings of the design are missing, such as '
            f'{missing[0]!r}; run `compare.py` with them first.'
        )
    scores = [
        [[records[k]['metrics'][s] for s in SCORES] for k in row]
        for row in keys
    ]
    return np.mean(scores, axis=1)


def effects_markdown(scores: np.ndarray) -> str:
    """Lay out the effects, those on columns without a factor as well."""
    lines = ['| factor | PQ | things | stuff |', '| - | -: | -: | -: |']
    found = effects(scores)
    names = [*FACTORS, *['(none)'] * (len(found) - len(FACTORS))]
    for name, row in zip(names, found, strict=True):
        cells = ' | '.join(f'{value:+.2f}' for value in row)
        lines.append(f'| {name} | {cells} |')
    return '\n'.join(lines)


@ends_with_reader()
def main(arguments: Sequence[str] | None = None) -> None:
    parser = tool_parser(__doc__, 'problem')
    parser.add_argument('--seeds', type=int, nargs='+', default=[0])
    args = parser.parse_args(arguments)
    records = Results(args.work_dir / RESULTS).read()
    print(effects_markdown(read(records, args.problem, args.seeds)))


if __name__ == '__main__':
    main()
