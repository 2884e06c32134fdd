"""What a search could hear: spread, confidence and weights, round by round.

Reads the history of one or several searches of the same shape (seeds of one
method) and prints their means: how far apart the replicas of a round ended,
how sure the controller was of the slope, and the weights that won.

python tools/benchmarks/search_signal.py work_dirs/compare/*/search-Ada-*
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HISTORY = 'exploration/history.jsonl'


def read(folders: Sequence[Path]) -> list[list[dict[str, Any]]]:
    """Return the records of each search.

    Raises:
        ValueError: If there is none, or they do not have as many rounds.
    """
    histories = []
    for folder in folders:
        path = folder / HISTORY
        if not path.exists():
            raise ValueError(f'{folder} is no search: {path} is not there.')
        histories.append([json.loads(line) for line in path.open()])
    lengths = {len(history) for history in histories}
    if len(lengths) != 1:
        raise ValueError(
            'Expected searches of equally many rounds, found '
            f'{sorted(lengths)}.'
        )
    return histories


def signal_markdown(histories: Sequence[Sequence[dict[str, Any]]]) -> str:
    """Lay out means over searches by round."""
    names = histories[0][0]['objectives']
    lines = [
        '| round | spread | confidence | ' + ' | '.join(names) + ' |',
        '| ----: ' * (3 + len(names)) + '|',
    ]
    for rounds in zip(*histories, strict=True):
        infos = [record['info'] for record in rounds]
        winners = [record['weights'][record['best']] for record in rounds]
        cells = [
            str(rounds[0]['round']),
            _mean([info['spread'] for info in infos]),
            _mean([info.get('confidence') for info in infos]),
            *(_mean(column) for column in zip(*winners, strict=True)),
        ]
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines)


def _mean(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f'{statistics.fmean(known):.2f}' if known else '-'


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('searches', type=Path, nargs='+')
    args = parser.parse_args(arguments)
    print(signal_markdown(read(args.searches)))


if __name__ == '__main__':
    main()
