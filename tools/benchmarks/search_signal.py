"""What a search could learn from: spread, confidence and weights by round.

Reads the history of one or several searches of the same shape (seeds of one
method) and prints their means: how far apart the replicas of a round ended,
what equal replicas would differ by on other reward images (noise) and what
they would exceed in 5 of 100 cases (limit), where the reward has `resamples`,
how sure the controller was of the slope, the cosine between the slope of the
round and that of the last third of the rounds (agreement), the same for the
mean that counts if the search ends with the round (ended), where replicas keep
their weights, and the weights that won.

python tools/benchmarks/search_signal.py work_dirs/compare/*/search-Ada-*
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmada.commands.command_line import ends_with_reader
from mmada.visualization import HISTORY_FILE, Search, read_search
from mmada.visualization.report.analysis import noises


def read(folders: Sequence[Path]) -> list[Search]:
    """Return the searches.

    Raises:
        ValueError: If there is none, or they do not have as many rounds.
    """
    searches = []
    for folder in folders:
        path = folder / HISTORY_FILE
        search = read_search(path) if path.exists() else None
        if search is None:
            raise ValueError(
                f'{folder} should be the work directory of a search. Found '
                f'no round in {path}.'
            )
        searches.append(search)
    lengths = {len(search.rounds) for search in searches}
    if len(lengths) != 1:
        raise ValueError(
            'The searches should have equally many rounds. Found '
            f'{sorted(lengths)}.'
        )
    return searches


def signal_markdown(searches: Sequence[Search]) -> str:
    """Lay out means over searches by round."""
    names = searches[0].names
    lines = [
        '| round | spread | noise | limit | confidence | agreement '
        '| ended | ' + ' | '.join(names) + ' |',
        '| ----: ' * (7 + len(names)) + '|',
    ]
    noisy = zip(*map(noises, searches), strict=True)
    agreeing = zip(*map(slope_agreement, searches), strict=True)
    third = -(-len(searches[0].rounds) // 3)
    ended = zip(*(slope_agreement(s, third) for s in searches), strict=True)
    for rounds in zip(*(s.rounds for s in searches), strict=True):
        known = [found for found in next(noisy) if found is not None]
        winners = [entry.actions[entry.best].tolist() for entry in rounds]
        cells = [
            str(rounds[0].number),
            _mean([entry.info.get('spread') for entry in rounds]),
            _mean([found.noise for found in known]),
            _mean([found.limit for found in known]),
            _mean([entry.info.get('confidence') for entry in rounds]),
            _mean(next(agreeing)),
            _mean(next(ended)),
            *(_mean(column) for column in zip(*winners, strict=True)),
        ]
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines)


def slope_agreement(search: Search, window: int = 1) -> list[float | None]:
    """Return how far each round has the slope of the end.

    Args:
        search: A search.
        window: Number of rounds, up to each, whose mean has the slope.

    Returns:
        For each round the cosine between its slope of the metric over the
        logarithms of the weights and that of the last third's mean; None where
        replicas do not keep their weights.
    """
    first = search.rounds[0].actions
    if any((entry.actions != first).any() for entry in search.rounds):
        return [None] * len(search.rounds)
    # Neither a centre point of all ones nor a control tells a slope.
    outer = (first != 1).any(1)
    points = np.log(first[outer])
    points -= points.mean(1, keepdims=True)
    points -= points.mean(0)
    values = np.stack(
        [entry.values(search.metric)[outer] for entry in search.rounds]
    )
    end = _slope(points, values[-(-len(values) * 2 // 3) :].mean(0))
    means = [
        values[max(0, last - window) : last].mean(0)
        for last in range(1, len(values) + 1)
    ]
    return [_cosine(_slope(points, each), end) for each in means]


def _slope(
    points: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    return points.T @ (values - values.mean())


def _cosine(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> float | None:
    lengths = np.linalg.norm(first) * np.linalg.norm(second)
    return float(first @ second / lengths) if lengths > 0 else None


def _mean(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f'{statistics.fmean(known):.2f}' if known else '-'


@ends_with_reader()
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
