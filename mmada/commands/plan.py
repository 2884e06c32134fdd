"""Says what a search will cost on 1, 8, 64 and 256 GPUs, or so many."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from mmada.commands.common import one_line_errors, read_config, table
from mmada.diagnostics.plan import (
    Bill,
    Rates,
    Search,
    Training,
    make_bill,
    read_plan,
)
from mmada.diagnostics.plan.bill import EVALUATED

GPUS = (1, 8, 64, 256)
UNITS = ('B', 'kB', 'MB', 'GB', 'TB', 'PB')

ASSUMED = (
    'Assumed: an iteration takes a time in proportion to its images, and a '
    'group of GPUs shares it out without loss. Not in it: start-up, the '
    'search for losses that appear late, states and checkpoints being '
    'written, transfers, and replicas that are done again.'
)


class Plan(NamedTuple):
    """What is printed.

    Attributes:
        searches: In order.
        training: After them, if any.
        rates: Times of an image on one GPU, if known.
        bills: By number of GPUs.
    """

    searches: Sequence[Search]
    training: Training | None
    rates: Rates | None
    bills: Sequence[Bill]


def make_plan(args: argparse.Namespace) -> Plan:
    """Build the config and make the bills."""
    config = read_config(args.config)
    config.merge_from_dict(args.cfg_options or {})
    searches, training, rates = read_plan(config, args.probe)
    if args.iteration_seconds is not None:
        trained = args.iteration_seconds / searches[0].batch_size
        rates = Rates(trained, args.image_seconds or EVALUATED * trained)
    counts = sorted({*GPUS, *([args.gpus] if args.gpus else [])})
    bills = [make_bill(searches, training, gpus, rates) for gpus in counts]
    return Plan(searches, training, rates, bills)


def lines(plan: Plan) -> Iterator[str]:
    """Yield the plan for people."""
    for search in plan.searches:
        yield (
            f'{search.name}: {search.controller}, {_number(search.rounds)} '
            f'rounds of {search.num_replicas} replicas, {search.num_iters} '
            f'iterations of {search.batch_size} images each and '
            f'{search.reward_images} evaluated images'
        )
        yield from _parts(search)
        yield ''
    if plan.training is not None:
        yield f'{_after(plan.training)}\n'
    yield from table(
        ['GPUs', *(f'{bill.gpus:,}' for bill in plan.bills)],
        [
            [name, *('-' if b.problem else show(b) for b in plan.bills)]
            for name, show in ROWS.items()
        ],
    )
    for bill in plan.bills:
        if bill.problem:
            gpus = 'GPU' if bill.gpus == 1 else 'GPUs'
            yield f'\nNot possible on {bill.gpus:,} {gpus}: {bill.problem}'
    yield f'\n{_times(plan.rates)}'
    yield ASSUMED


def _parts(search: Search) -> list[str]:
    parts = search.parts()
    return table(
        ['part', 'iterations', 'evaluated images'],
        [
            [name, f'{c.iterations:,}', f'{c.images:,}']
            for name, c in parts.items()
        ],
    )


def _after(training: Training) -> str:
    unit = 'epochs' if training.by_epoch else 'iterations'
    return (
        f'training: {training.length:,} {unit}, on one GPU '
        f'{training.iterations(1):,} iterations of {training.batch_size} '
        f'images each; {training.validations} validations of '
        f'{training.validation_images} images, {training.checkpoints} '
        'checkpoints'
    )


def _times(rates: Rates | None) -> str:
    if rates is None:
        return (
            'No times: give --iteration-seconds or --probe. An evaluated '
            'image counts as a third of a trained one.'
        )
    return (
        f'One GPU: {rates.trained:.4g} s for an image of an iteration, '
        f'{rates.evaluated:.4g} s for an evaluated one.'
    )


def _groups(bill: Bill) -> str:
    return ', '.join(f'{count} of {ranks}' for count, ranks in bill.groups)


def _number(value: float) -> str:
    return f'{value:,.0f}' if value == round(value) else f'{value:,.1f}'


def duration(seconds: float | None) -> str:
    """Return a time in the unit that suits it."""
    if seconds is None:
        return '-'
    if seconds < 120:
        return f'{seconds:.3g} s'
    if seconds < 7200:
        return f'{seconds / 60:.1f} min'
    return f'{seconds / 3600:,.1f} h'


def _bytes(size: float) -> str:
    power = 0
    while size >= 1000 and power < len(UNITS) - 1:
        size, power = size / 1000, power + 1
    return f'{size:.3g} {UNITS[power]}'


ROWS: dict[str, Callable[[Bill], str]] = {
    'groups of ranks': _groups,
    'waves of all rounds': lambda b: _number(b.waves),
    'iterations': lambda b: f'{b.iterations:,}',
    'evaluated images': lambda b: f'{b.images:,}',
    'wall time': lambda b: duration(b.seconds),
    'time of all GPUs': lambda b: duration(b.seconds and b.seconds * b.gpus),
    'cost in trainings': lambda b: f'{b.trainings:.2f}',
    'disk, at most': lambda b: _bytes(b.disk_peak),
    'disk, at the end': lambda b: _bytes(b.disk_left),
    'received by a GPU in a round': lambda b: _bytes(b.network),
    'main memory for states': lambda b: _bytes(b.memory),
}


def as_json(plan: Plan) -> dict[str, Any]:
    """Return the plan as JSON values, in seconds and bytes."""
    searches = [
        dict(
            name=search.name,
            controller=search.controller,
            rounds=search.rounds,
            replicas=search.num_replicas,
            trained_replicas=search.segments,
            iters_per_round=search.num_iters,
            batch_size=search.batch_size,
            reward_images=search.reward_images,
            parts={
                name: dict(iterations=c.iterations, images=c.images)
                for name, c in search.parts().items()
            },
        )
        for search in plan.searches
    ]
    return dict(
        searches=searches,
        training=plan.training and asdict(plan.training),
        image_seconds=plan.rates and plan.rates._asdict(),
        bills=[dict(asdict(b), gpu_hours=b.gpu_hours) for b in plan.bills],
    )


def run(args: argparse.Namespace) -> int:
    """Print the plan; return 1 if it is not possible on `--gpus`."""
    with one_line_errors(args.prog, KeyError, TypeError):
        plan = make_plan(args)
    if args.json:
        print(json.dumps(as_json(plan), indent=2))
    else:
        print('\n'.join(lines(plan)))
    refused = {bill.gpus for bill in plan.bills if bill.problem}
    return 1 if args.gpus in refused else 0
