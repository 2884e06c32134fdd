"""Describes what a policy or curve file would do, in tables or as JSON."""

from __future__ import annotations

import argparse
import itertools
import json
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mmada.commands.common import one_line_errors, read_config, table
from mmada.diagnostics.policy import (
    describe_policy,
    dry_run,
    measure_beginning,
)
from mmada.policies.policy_file import load_policy
from mmada.surrogates import check_points, find_surrogate, load_curve
from mmada.utils.run_files import POLICY_FILE

_EPOCHS = 12
"""Of the training to look ahead to, if neither option nor config says."""
_LEGEND = 'the others at the initial losses'


def grid_lines(report: dict[str, Any]) -> Iterator[str]:
    """Yield the table of what becomes of all weights."""
    names = report['policy']['objectives']
    grid = report['grid']
    rows = [
        [f'{name} x{factor:g}', *weights]
        for name, block in zip(names, grid['weights'], strict=True)
        for factor, weights in zip(grid['factors'], block, strict=True)
        if factor != 1
    ]
    yield from table(['loss', *names], rows)


def policy_lines(report: dict[str, Any]) -> Iterator[str]:
    """Yield what the file says of itself."""
    policy, file = report['policy'], report['file']
    count = policy['num_rounds']
    policies = f'{count} polic{"y" if count == 1 else "ies"}'
    yield f'{file["path"]}: {file["size"]} bytes, sha256 {file["sha256"]}'
    yield (
        f'{policies} of {json.dumps(policy["spec"])}, '
        f'normaliser {policy["normaliser"]}, gamma {policy["gamma"]:g}, '
        f'floor {policy["floor"]:g}'
    )
    yield f'from: {json.dumps(report["provenance"])}'
    negative = report['negative']['probability']
    if negative is None:
        yield 'probability of a negative sample: not known'
    else:
        low, high = min(negative), max(negative)
        shown = f'{low:.3g}' if low == high else f'{low:.3g} to {high:.3g}'
        yield f'probability of a negative sample: {shown}'


def mode_lines(
    names: Sequence[str],
    losses: Sequence[float | None],
    modes: dict[str, Sequence[float]],
) -> list[str]:
    """Return a table of losses and of the weights of each mode."""
    shown = ['not measured' if loss is None else loss for loss in losses]
    rows = [['loss', *shown]]
    rows += [[f'weight, {mode}', *row] for mode, row in modes.items()]
    return table(['', *names], rows)


def lines(report: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of a report for people."""
    policy = report['policy']
    names = policy['objectives']
    yield from policy_lines(report)
    yield from (f'\nwarning: {text}' for text in report['warnings'])
    yield (
        '\nThe first period in each `mode` of PolicyWeightingHook, with the '
        'initial losses of the search:'
    )
    yield from mode_lines(names, policy['initial_losses'], report['modes'])
    yield f'\nThe last policy when one loss changes, {_LEGEND}:'
    yield from grid_lines(report)
    yield (
        '\nThe combined policies (Eq. 7) over a training of '
        f'{len(report["epochs"])} periods (`--epochs`), which are epochs or '
        'what `interval` of the hook says, same losses:'
    )
    yield from table(['period', *names], period_rows(report['epochs']))
    if report['dry_run'] is not None:
        yield from dry_run_lines(report['dry_run'])


def period_rows(weights: Sequence[Sequence[float]]) -> list[list[Any]]:
    """Return rows of a table, one for periods in succession that are alike."""
    rows: list[list[Any]] = []
    for alike, group in itertools.groupby(
        enumerate(weights, start=1), key=lambda each: each[1]
    ):
        periods = [period for period, _ in group]
        first, last = periods[0], periods[-1]
        rows.append(
            [f'{first}' if first == last else f'{first} to {last}', *alike]
        )
    return rows


def dry_run_lines(found: dict[str, Any]) -> Iterator[str]:
    """Yield what a training that probes its losses would start with."""
    yield (
        f'\nThe first {found["batches"]} batches of {found["config"]}, and '
        'what a training would start with if its PolicyWeightingHook has '
        "`initial_losses='probe'`; by default it starts with the weights of "
        'the first table:'
    )
    names, losses = found['objectives'], found['losses']
    yield from mode_lines(names, losses, found['modes'] or {})
    yield from (f'\nwarning: {text}' for text in found['warnings'])


def _check_is_no_checkpoint(path: Path) -> None:
    """Say what a checkpoint is, and where the policy may be."""
    if not zipfile.is_zipfile(path):
        return
    beside = path.with_name(POLICY_FILE)
    place = (
        f'the policy of its run is {beside}'
        if beside.exists()
        else f'a search leaves its policy as {POLICY_FILE} in its work '
        'directory'
    )
    raise ValueError(
        f'`file` should be a policy file. Found {path}, which is a '
        f'checkpoint; {place}.'
    )


def describe_curves(args: argparse.Namespace) -> dict[str, Any]:
    """Return what is in a curve file."""
    if args.config is not None:
        raise ValueError(
            '`--config` should be given with a policy file, which is tried '
            f'on its batches. Found the curve file {args.file}.'
        )
    stored = load_curve(args.file)
    shape = find_surrogate(stored.metric).shape
    return dict(
        file=str(args.file),
        metric=stored.metric,
        points=check_points(stored.points, shape).tolist(),
        provenance=dict(stored.provenance),
    )


def curve_lines(report: dict[str, Any]) -> Iterator[str]:
    """Yield the control points and the config that uses them."""
    points = report['points']
    yield f'{report["file"]}: curves of AutoSegLoss for {report["metric"]}'
    yield f'from: {json.dumps(report["provenance"])}'
    yield '\nControl points, between (0, 0) and (1, 1):'
    header = [f'{axis}{k + 1}' for k in range(len(points[0])) for axis in 'xy']
    rows = [
        [f'h{k}', *itertools.chain(*curve)]
        for k, curve in enumerate(points, start=1)
    ]
    yield from table(['curve', *header], rows)
    yield (
        "\nUse them with: dict(type='AutoSegLoss', "
        f'metric={report["metric"]!r}, theta={report["file"]!r})'
    )


def inspect(args: argparse.Namespace) -> dict[str, Any]:
    """Return the report of the file, and of the config if there is one."""
    _check_is_no_checkpoint(args.file)
    ensemble = load_policy(args.file)
    beginning = None
    if args.config is not None:
        # Names the file where it is no config.
        read_config(args.config)
        beginning = measure_beginning(args.config, args.checkpoint)
    epochs = args.epochs or (beginning and beginning.num_epochs) or _EPOCHS
    report = describe_policy(ensemble, args.file, epochs, args.disagreement)
    if beginning is not None:
        report['dry_run'] = dry_run(
            ensemble, beginning, epochs, args.disagreement
        )
    return report


def run(args: argparse.Namespace) -> int:
    """Print the report."""
    describe: Callable[[argparse.Namespace], dict[str, Any]] = inspect
    text: Callable[[dict[str, Any]], Iterator[str]] = lines
    if args.file.suffix == '.json':
        describe, text = describe_curves, curve_lines
    with one_line_errors(args.prog, KeyError, TypeError):
        report = describe(args)
    if args.json:
        print(json.dumps(report, indent=2))
    else:
        print('\n'.join(text(report)))
    return 0
