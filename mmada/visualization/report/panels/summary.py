"""The run at a glance."""

from __future__ import annotations

from datetime import datetime

import numpy as np

from mmada.visualization.history import Search, short
from mmada.visualization.report.analysis import Advice, advise
from mmada.visualization.report.panels.costs import count_costs, total_cost
from mmada.visualization.report.panels.panel import Panel, Table
from mmada.visualization.report.run import Run

CAPTION = (
    'What ran, how far it came, and what is worth a look. All sections say '
    'what to look for in their plots: drag to zoom into one, double-click to '
    'go back, click a name in its legend to hide or show it.'
)


def summary_panel(run: Run) -> Panel:
    """List the facts of a run and the warnings of all sections."""
    nothing = run.status.get('nothing_learned')
    warnings = (
        [Advice('warning', f'The search learned nothing: {nothing}.')]
        if nothing
        else []
    )
    warnings += [
        found
        for search in run.searches
        for found in advise(search)
        if found.level == 'warning'
    ]
    if not run.searches and run.epochs is None and not run.log.raw:
        warnings.append(
            Advice(
                'note', 'Nothing was recorded yet, neither rounds nor losses.'
            )
        )
    rows = [('state', state(run)), *_facts(run)]
    return Panel(
        'summary',
        'Summary',
        CAPTION,
        advice=warnings,
        tables=[Table((), rows)],
    )


def state(run: Run) -> str:
    """Say in words how far a run is."""
    if not run.last_written:
        return 'nothing written yet'
    written = datetime.fromtimestamp(run.last_written)
    when = f'{written:%Y-%m-%d %H:%M:%S}'
    phase = run.status.get('phase')
    if phase in ('failed', 'stopped'):
        error = run.status.get('error')
        return f'{phase} at {when}' + (f': {error}' if error else '')
    if run.finished:
        return f'finished, last written {when}'
    return f'unfinished, last written {when}'


def _facts(run: Run) -> list[tuple[str, str]]:
    facts = []
    for search in run.searches:
        facts += _search_facts(search)
    if run.epochs is not None:
        facts.append(('objectives', ', '.join(run.epochs.names)))
    if run.log.epoch:
        total = run.config.training.get('max_epochs')
        of = f' of {total}' if total else ''
        facts.append(('training', f'epoch {run.log.epoch}{of}'))
    facts += [
        (f'validation, {short(key)}', f'{list(curve.values())[-1]:.2f}')
        for key, curve in run.log.metrics.items()
        if short(key) in ('PQ', 'PQ_th', 'PQ_st', 'mIoU')
    ]
    trainings = total_cost(count_costs(run)).trainings
    if trainings is not None:
        facts.append(('cost so far', f'{trainings:.2f} trainings'))
    return list(dict.fromkeys(facts))


def _search_facts(search: Search) -> list[tuple[str, str]]:
    controller = search.config.get('controller', {})
    replicas = max(len(entry.metrics) for entry in search.rounds)
    total = search.config.get('num_rounds')
    done = f'{len(search.rounds)}' + (f' of {total}' if total else '')
    what = 'objectives' if search.what == 'weights' else 'parameters'
    kind = controller.get('type')
    facts = [
        (search.title, f'{done} rounds of {replicas} replicas'),
        (what, ', '.join(search.names)),
    ]
    if kind:
        preset = controller.get('preset')
        facts.append(
            ('controller', f'{kind}, {preset}' if preset else str(kind))
        )
    known = search.winner[np.isfinite(search.winner)]
    if len(known):
        name = short(search.metric)
        facts.append(
            (
                f'{name} of the winners',
                f'{known[0]:.2f} in the first round, {known[-1]:.2f} in the '
                'last, on the reward images',
            )
        )
    return facts
