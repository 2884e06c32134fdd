"""Verifies what a work directory holds and says where a resume goes on."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import asdict

from mmada.commands.common import one_line_errors
from mmada.diagnostics.work_dir import (
    FileReport,
    SearchReport,
    StateReport,
    WorkDirReport,
    inspect_work_dir,
)


def state_line(state: StateReport) -> str:
    """Return a line on a state."""
    if state.problem is not None:
        return f'BAD   {state.problem}'
    done = '' if state.round is None else f', {_progress(state)}'
    return f'good  {state.path}, {state.size} bytes{done}'


def _progress(state: StateReport) -> str:
    """Return how far the search of a state is."""
    total = (state.identity or {}).get('num_rounds')
    if state.round == total:
        return f'complete: all {total} rounds are done'
    of_all = '' if total is None else f' of {total}'
    begun = f' and {state.replicas} replicas of the next'
    return f'{state.round}{of_all} rounds{begun if state.replicas else ""}'


def file_line(file: FileReport) -> str:
    """Return a line on a checkpoint or a policy."""
    if file.problem is not None:
        return f'BAD   {file.path}, {file.size} bytes: {file.problem}'
    content = ''
    if file.content:
        count = file.content['policies']
        content = (
            f', {count} polic{"y" if count == 1 else "ies"} for '
            f'{", ".join(file.content["objectives"])}'
        )
    return f'good  {file.path}, {file.size} bytes{content}'


def search_lines(search: SearchReport) -> Iterator[str]:
    """Yield the lines on a search."""
    yield f'exploration in {search.directory}:'
    states = (*search.states, *search.initial)
    yield from map(state_line, states) if states else ['none']
    yield from (
        f'run: {json.dumps(state.identity)}'
        for state in search.states[:1]
        if state.identity
    )
    if search.locked_by is not None:
        yield f'in use by {search.locked_by}'


def lines(report: WorkDirReport) -> Iterator[str]:
    """Yield the lines of a report for the terminal."""
    for search in report.searches:
        yield from search_lines(search)
    if not report.searches:
        yield 'exploration:'
        yield 'none'
    yield 'training:'
    files = report.checkpoints
    yield from map(file_line, files) if files else ['none']
    if report.last_checkpoint is not None:
        yield f'last_checkpoint names {report.last_checkpoint!r}'
    if report.policy is not None:
        yield 'policy:'
        yield file_line(report.policy)
    yield from (f'leftover: {path}' for path in report.leftovers)
    yield from (f'damaged: {problem}' for problem in report.problems)
    if report.obstacle is not None:
        yield f'A resume is not possible: {report.obstacle}'
    elif report.resume is not None:
        yield f'A resume goes on from {report.resume}.'
    else:
        yield 'There is nothing to resume.'


def run(args: argparse.Namespace) -> int:
    """Print the report; return the exit code."""
    with one_line_errors(args.prog):
        report = inspect_work_dir(args.work_dir)
    if args.json:
        print(json.dumps(asdict(report), indent=2))
    else:
        print('\n'.join(lines(report)))
    return int(bool(report.problems or report.obstacle))
