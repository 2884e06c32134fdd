"""Writes the table of docs/reproduce.md from the configs of configs/paper.

Costs are counted, hours are counts times published or given seconds, and
what was reached is read from a file of results: the name of a row's run (its
config's name, with /explored or /test-dev for these) to [PQ, PQ of things,
PQ of stuff], as JSON or YAML.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from bad_input import one_line_errors
from mmengine.config import Config
from reproduce_cost import GPUS, Work, read_config, test_of, work_of
from reproduce_page import insert, markdown, quality, read_results

ROOT = Path(__file__).resolve().parents[2]
PAPER = ROOT / 'configs/paper'
HEADER = ('row', 'command', '1x', 'with search', 'GPU h', 'paper', 'ours')
NUMBERS = range(2, 5)


class Seconds(NamedTuple):
    """Seconds of an iteration and of an image; None for the published."""

    iteration: float | None = None
    image: float | None = None


class Book:
    """The rows and the configs that they name.

    Args:
        seconds: In place of the published times.
        results: Name of a run to what it reached.
    """

    def __init__(
        self, seconds: Seconds, results: dict[str, Sequence[float]]
    ) -> None:
        self._content = yaml.safe_load((PAPER / 'rows.yml').read_text())
        self._seconds = seconds
        self._results = results

    def lines(self) -> Iterator[str]:
        """Yields the lines of all tables, and where times are from."""
        for table in self._content['tables']:
            cells = [self._cells(row) for row in table['rows']]
            yield from (f'### {table["title"]}', '')
            yield from markdown([HEADER, *cells], NUMBERS)
            yield ''
        yield from self._sources()

    def _cells(self, row: dict[str, Any]) -> tuple[str, ...]:
        name, kind = row['config'], row.get('of', 'training')
        own = work(name, kind)
        units = own.iterations / self._unit(name)
        total = units
        if kind == 'explored':
            total += work(name, 'search').iterations / self._unit(name)
        elif search := self._search_of(name):
            found = work(search, 'search').iterations
            total += found / self._unit(search)
        stem = Path(name).name
        key = stem if kind in ('training', 'search') else f'{stem}/{kind}'
        return (
            row['row'],
            command(name, kind),
            f'{units:.1f}',
            f'{total:.1f}',
            f'{self._hours(name, own):.0f}',
            quality(row.get('paper', ())),
            quality(self._results.get(key, ())),
        )

    def _unit(self, name: str) -> int:
        unit = self._content['units'][Path(name).parent.name]
        return work(unit, 'training').iterations

    def _search_of(self, name: str) -> str | None:
        """Returns the search whose policy a training uses."""
        for hook in config_of(name).get('custom_hooks', []):
            if policy := hook.get('policy'):
                found = Path(policy).parent.name
                return f'{found.rsplit("_", 1)[1]}/{found}'
        return None

    def _hours(self, name: str, own: Work) -> float:
        times = self._content['times'][detector(name)]
        return own.gpu_hours(
            self._seconds.iteration or times['seconds_per_iteration'],
            self._seconds.image or times['seconds_per_image'],
        )

    def _sources(self) -> Iterator[str]:
        yield 'Seconds behind the GPU hours:'
        yield ''
        for name, times in self._content['times'].items():
            given = self._seconds
            yield (
                f'- `{name}`: '
                f'{given.iteration or times["seconds_per_iteration"]} an '
                f'iteration ({"given" if given.iteration else "published"}), '
                f'{given.image or times["seconds_per_image"]} an image '
                f'({"given" if given.image else "published"}). Published: '
                f'{times["source"]}.'
            )


def config_of(name: str) -> Config:
    """Returns a config of configs/paper by its name."""
    return read_config(PAPER / f'{name}.py')


@functools.cache
def work(name: str, kind: str) -> Work:
    """Returns what the command of a row runs."""
    config = config_of(name)
    return test_of(config) if kind == 'explored' else work_of(config)


def detector(name: str) -> str:
    """Returns the first two parts of a config's name."""
    return '_'.join(Path(name).name.split('_')[:2])


def command(name: str, kind: str) -> str:
    """Returns the command that runs a row."""
    path = f'configs/paper/{name}.py'
    if kind != 'explored':
        return f'`tools/dist_train.sh {path} {GPUS}`'
    model = f'work_dirs/{Path(name).name}/explored.pth'
    return f'`tools/dist_test.sh {path} {model} {GPUS}`'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--results', type=Path, help='JSON or YAML file')
    parser.add_argument(
        '--seconds-per-iter', type=float, help='measured, for all detectors'
    )
    parser.add_argument(
        '--seconds-per-image', type=float, help='measured, on one GPU'
    )
    parser.add_argument(
        '--write',
        type=Path,
        nargs='?',
        const=ROOT / 'docs/reproduce.md',
        help='put the tables into this page instead of printing them',
    )
    args = parser.parse_args()
    for name in ('seconds_per_iter', 'seconds_per_image'):
        value = getattr(args, name)
        if value is not None and not value > 0:
            option = name.replace('_', '-')
            parser.error(f'--{option} should be positive, found {value}')
    return args


def main() -> None:
    args = parse_args()
    with one_line_errors('reproduce_table'):
        results = read_results(args.results) if args.results else {}
        page = args.write.read_text() if args.write else None
        seconds = Seconds(args.seconds_per_iter, args.seconds_per_image)
        lines = '\n'.join(Book(seconds, results).lines())
        if page is None:
            print(lines)
        else:
            args.write.write_text(insert(page, f'{lines}\n'))


if __name__ == '__main__':
    main()
