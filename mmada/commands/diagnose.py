"""Says how the losses of a config share the trunk, and what fits."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mmada.commands.adapt.objectives import MANY, group_losses
from mmada.commands.common import one_line_errors, read_config, table
from mmada.diagnostics.gradients import describe_gradients, measure_gradients
from mmada.visualization.figures import save_figure
from mmada.visualization.gradients_figure import gradients_figure

_COLUMNS = dict(
    loss='loss',
    norm='gradient',
    share='share',
    cosine_with_sum='cos. with sum',
    noise='noise',
)


def lines(report: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of a report for people."""
    rows, trunk = report['objectives'], report['trunk']
    yield (
        f'{report["batches"]} batches of {report["config"]}, gradients of '
        f'the raw losses for {trunk["numbers"]} numbers of the trunk:'
    )
    yield from table(
        ['objective', *_COLUMNS.values()],
        [[row['name'], *map(_shown, _values(row))] for row in rows],
    )
    yield (
        'share: of the sum of these sizes. noise: what differs between '
        'batches, over what they agree on. Losses of no objective are not '
        'shown; in a stock config each loss is one.'
    )
    names = [row['name'] for row in rows]
    yield '\ncosines between the objectives:'
    yield from table(
        ['', *names],
        [
            [name, *map(_shown, row)]
            for name, row in zip(names, report['cosines'], strict=True)
        ],
    )
    yield from (f'\n{text}' for text in report['advice'])
    yield f'\npicture: {report["figure"]}'


def _values(row: dict[str, Any]) -> list[float | None]:
    return [row[key] for key in _COLUMNS]


def _shown(value: float | None) -> str:
    return '-' if value is None else f'{value:.3g}'


def diagnose(args: argparse.Namespace) -> dict[str, Any]:
    """Return the report, its picture written."""
    read_config(args.config)  # names the file where it is no config
    found = measure_gradients(
        args.config, args.checkpoint, args.batches, args.cfg_options
    )
    report = describe_gradients(found, str(args.config), args.checkpoint)
    report['advice'] = [*_of_kinds(found.names), *report['advice']]
    path = args.figure or Path('work_dirs', args.config.stem, 'gradients.png')
    save_figure(gradients_figure(report), path)
    return dict(report, figure=str(path))


def _of_kinds(names: Sequence[str]) -> Iterator[str]:
    """Yield that losses of one kind, one for each task, count together."""
    kinds = group_losses(names, proposals=True).names
    if MANY < len(names) > len(kinds):
        yield (
            f'The {len(names)} losses are of {len(kinds)} kinds: '
            f'{", ".join(kinds)}. A kind may dominate even if none of its '
            'losses does. `mmada adapt` writes a config that weighs kinds: '
            'diagnose that one as well.'
        )


def run(args: argparse.Namespace) -> int:
    """Print the report."""
    with one_line_errors(args.prog, KeyError, TypeError):
        report = diagnose(args)
    if args.json:
        print(json.dumps(report, indent=2))
    else:
        print('\n'.join(lines(report)))
    return 0
