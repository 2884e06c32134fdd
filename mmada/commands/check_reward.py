"""Checks that the reward of a config can be believed."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

from mmengine.registry import init_default_scope

from mmada.commands.common import one_line_errors, read_config
from mmada.diagnostics.reward import (
    CheckpointReport,
    ClassAmounts,
    Finding,
    RewardSource,
    check_checkpoints,
    find_reward,
)

TOP_CLASSES = 20


def source_line(source: RewardSource) -> str:
    """Return a line on what is measured."""
    if source.explores:
        return f"the exploration's rewards, maximising {source.metric!r}"
    return 'the test data: the config has no exploration'


def report_lines(report: CheckpointReport) -> Iterator[str]:
    """Yield the lines on a checkpoint."""
    loaded = report.loaded
    yield f'\n{report.path}'
    yield (
        f'weights: {loaded.total}, of them missing {len(loaded.missing)}, of '
        f'another shape {len(loaded.misshapen)}, not finite '
        f'{len(loaded.not_finite)}; without a place in the model '
        f'{len(loaded.unexpected)}'
    )
    if report.value is not None:
        yield f'reward: {report.value:.4f}'
    yield from (f'{k}: {v:.4f}' for k, v in report.metrics.items())
    if report.amounts is not None:
        yield from amount_lines(report.amounts, report.qualities)
    yield from map(warning_line, report.findings)


def amount_lines(
    amounts: ClassAmounts, qualities: Mapping[str, float]
) -> Iterator[str]:
    """Yield the lines on the classes with the largest amounts.

    Args:
        amounts: Of each class.
        qualities: PQ, AP or IoU of the classes that have one.
    """
    measure = amounts.measure
    things = f', with a predicted thing: {amounts.with_things}'
    yield f'images: {amounts.images}{"" if measure == "IoU" else things}'
    names = (*amounts.classes, '(void)')
    total = max(1, amounts.truth.sum()), max(1, amounts.predicted.sum())
    shares = sorted(
        zip(
            100 * amounts.truth / total[0],
            100 * amounts.predicted / total[1],
            names,
            strict=True,
        ),
        key=lambda row: -max(row[:2]),
    )
    digits = 3 if measure == 'AP' else 2
    yield f'percent of {amounts.unit}: true, predicted; {measure}'
    for true, predicted, name in shares[:TOP_CLASSES]:
        if true or predicted:
            known = name in qualities
            quality = f'{qualities[name]:.{digits}f}' if known else ''
            yield f'  {true:6.2f}  {predicted:6.2f}  {quality:>6}  {name}'


def warning_line(finding: Finding) -> str:
    """Return a line on what is wrong."""
    return f'WARNING ({finding.rule}): {finding.text}'


def run(args: argparse.Namespace) -> int:
    """Print the report; return the exit code."""
    with one_line_errors(args.prog, KeyError):
        config = read_config(args.config)
        config.merge_from_dict(args.cfg_options or {})
        init_default_scope(config.get('default_scope', 'mmdet'))
        source = find_reward(config)
        if config.get('model') is None:
            raise ValueError(
                f'{args.config} should have a `model`. Found none.'
            )
        reports, together = check_checkpoints(
            config.model, source, args.checkpoints, args.max_images
        )
    print(source_line(source))
    for report in reports:
        print('\n'.join(report_lines(report)))
    print('\n'.join(map(warning_line, together)))
    count = sum(len(report.findings) for report in reports) + len(together)
    print(f'{count} warning(s)')
    return 1 if args.strict and count else 0
