"""Writes the table of docs/reproduce.md from the configs of configs/paper.

Costs are counted, hours are counts times published or given seconds, and
what was reached is read from a file of results: the name of a row's run (its
config's name, with /explored or /test-dev for these) to [PQ, PQ of things,
PQ of stuff], as JSON or YAML.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Iterator, Sequence
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import torch
import yaml
from mmengine.config import Config
from mmengine.registry import TASK_UTILS, init_default_scope

import mmada  # noqa: F401  (registers the controllers)
from mmada.controllers import Controller
from mmada.controllers.base import Rest
from mmada.models.objectives import build_objectives
from mmada.utils.tables import markdown

ROOT = Path(__file__).resolve().parents[2]
PAPER = ROOT / 'configs/paper'
HEADER = ('row', 'command', '1x', 'with search', 'GPU h', 'paper', 'ours')
NUMBERS = range(2, 5)
BEGIN = '<!-- begin: python tools/dev/reproduce_table.py --write -->'
END = '<!-- end -->'
GPUS = 8
IMAGES = {
    'annotations/panoptic_train2017.json': 118287,
    'annotations/panoptic_val2017.json': 5000,
    'ade20k_panoptic_train.json': 20210,
    'ade20k_panoptic_val.json': 2000,
}

LISTED = {
    'panoptic_train2017_proxy_reward.txt': 10000,
    'ade20k_panoptic_train_proxy_reward.txt': 2000,
}
"""Images of the proxy splits' lists."""


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
        """Yield the lines of all tables, and where times are from."""
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
        """Return the search whose policy a training uses."""
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
    """Return a config of configs/paper by its name."""
    return read_config(PAPER / f'{name}.py')


@functools.cache
def work(name: str, kind: str) -> Work:
    """Return what the command of a row runs."""
    config = config_of(name)
    return test_of(config) if kind == 'explored' else work_of(config)


def detector(name: str) -> str:
    """Return the first two parts of a config's name."""
    return '_'.join(Path(name).name.split('_')[:2])


def command(name: str, kind: str) -> str:
    """Return the command that runs a row."""
    path = f'configs/paper/{name}.py'
    if kind != 'explored':
        return f'`tools/dist_train.sh {path} {GPUS}`'
    model = f'work_dirs/{Path(name).name}/explored.pth'
    return f'`tools/dist_test.sh {path} {model} {GPUS}`'


class Work(NamedTuple):
    """What is run, over all GPUs.

    Attributes:
        iterations: Training iterations of 16 images.
        images: Images that are evaluated.
    """

    iterations: int
    images: int

    def plus(self, other: Work) -> Work:
        """Return both together."""
        return Work(
            self.iterations + other.iterations, self.images + other.images
        )

    def gpu_hours(self, per_iteration: float, per_image: float) -> float:
        """Return the GPU hours at so many seconds each.

        Args:
            per_iteration: Seconds of an iteration, which takes all GPUs.
            per_image: Seconds of an image, which takes one.
        """
        busy = GPUS * self.iterations * per_iteration + self.images * per_image
        return busy / 3600


@functools.cache
def read_config(path: Path) -> Config:
    """Read a config once; not to be changed."""
    return Config.fromfile(path)


def num_images(dataset: dict[str, Any]) -> int:
    """Return the images of a data set before `filter_cfg` drops some."""
    if 'ids_file' not in dataset:
        return IMAGES[dataset['ann_file']]
    listed = LISTED[Path(dataset['ids_file']).name]
    whole = num_images(dataset['dataset'])
    return listed if dataset['keep'] == 'listed' else whole - listed


def work_of(config: dict[str, Any]) -> Work:
    """Return what a training or a search of a config runs."""
    loop = config['train_cfg']
    return _search(config) if 'controller' in loop else _training(config)


def test_of(config: dict[str, Any]) -> Work:
    """Return what one evaluation on the test data runs."""
    return Work(0, num_images(config['test_dataloader']['dataset']))


def _training(config: dict[str, Any]) -> Work:
    loop, loader = config['train_cfg'], config['train_dataloader']
    of_a_gpu = ceil(num_images(loader['dataset']) / GPUS)
    epoch = ceil(of_a_gpu / loader['batch_size'])
    # A pseudo epoch measures l^1 of another model or data set.
    probes = sum(
        hook.get('initial_losses') == 'probe'
        for hook in config.get('custom_hooks', [])
    )
    evaluated = num_images(config['val_dataloader']['dataset'])
    return Work(
        (loop['max_epochs'] + probes) * epoch,
        loop['max_epochs'] // loop['val_interval'] * evaluated,
    )


def _search(config: dict[str, Any]) -> Work:
    loop, loader = config['train_cfg'], config['train_dataloader']
    epoch = ceil(num_images(loader['dataset']) / loader['batch_size'])
    segment = loop.get('iters_per_round') or epoch
    objectives = build_objectives(config['model']['objectives'])
    assert objectives is not None
    controller = _controller(loop, len(objectives))
    segments = 1 + _segments(controller)  # and the pseudo epoch
    evaluations = segments + (controller.first_reference == 'start')
    evaluated = num_images(loop['reward_dataloader']['dataset'])
    return Work(segments * segment, evaluations * evaluated)


def _controller(loop: dict[str, Any], num_objectives: int) -> Controller:
    """Build the controller of a search."""
    init_default_scope('mmdet')
    controller: Controller = TASK_UTILS.build(
        loop['controller'],
        default_args=dict(
            num_objectives=num_objectives,
            num_rounds=loop['num_rounds'],
            seed=0,
        ),
    )
    return controller


def _segments(controller: Controller) -> int:
    """Play a search on made-up metrics and count what it would train."""
    losses = torch.ones(controller.action_size, dtype=torch.float64)
    metrics = torch.arange(1.0, controller.num_replicas + 1)
    segments = 0
    for _ in range(controller.num_rounds):
        if controller.finished:
            break
        controller.propose(losses)
        segments += sum(not isinstance(e, Rest) for e in controller.plan())
        controller.observe(metrics.double(), 0.0)
    return segments


def quality(values: Sequence[float]) -> str:
    """Return PQ, that of things and of stuff in a cell, or an empty one."""
    return ' / '.join(f'{value:.1f}' for value in values)


def insert(page: str, lines: str) -> str:
    """Return a page with the lines between its two marks.

    Raises:
        ValueError: If the page has not both.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(
            f'the page should have {BEGIN!r} and {END!r}. Found not both.'
        )
    return f'{before}{BEGIN}\n\n{lines}\n{END}{after}'


def read_results(path: Path) -> dict[str, Sequence[float]]:
    """Return what the runs reached.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it holds no results.
    """
    try:
        found = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f'{path} should be YAML: {error}') from None
    if not isinstance(found, dict) or not all(
        isinstance(values, list) for values in found.values()
    ):
        raise ValueError(
            f'{path} should have names of runs with a list of numbers each'
        )
    return found


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
            parser.error(f'--{option} should be positive. Found {value}.')
    return args


def main() -> None:
    args = parse_args()
    try:
        results = read_results(args.results) if args.results else {}
        page = args.write.read_text() if args.write else None
        seconds = Seconds(args.seconds_per_iter, args.seconds_per_image)
        lines = '\n'.join(Book(seconds, results).lines())
        if page is None:
            print(lines)
        else:
            args.write.write_text(insert(page, f'{lines}\n'))
    except (OSError, ValueError) as error:
        text = ' '.join(str(error).split())
        print(f'reproduce_table: error: {text}', file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == '__main__':
    main()
