"""The run at a glance."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np

from mmada.surrogates import load_curve
from mmada.utils.run_files import CURVE_FILE
from mmada.visualization.history import Search, short
from mmada.visualization.report.advice import Advice, advise
from mmada.visualization.report.panels.costs import count_costs, total_cost
from mmada.visualization.report.panels.metrics import is_main
from mmada.visualization.report.panels.panel import Panel, Table
from mmada.visualization.report.panels.weights import last_weights
from mmada.visualization.report.run import Run

CAPTION = (
    'What ran, how far it came, and what is worth a look. All sections say '
    'what to look for in their plots: drag to zoom into one, double-click to '
    'go back, click a name in its legend to hide or show it.'
)


def summary_panel(run: Run, result: Sequence[Advice] = ()) -> Panel:
    """List what came of a run, its facts and the warnings of all sections.

    Args:
        run: The run.
        result: What a comparison with a baseline says.
    """
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
    found = [*_found_weights(run), *_found_curves(run)]
    rows = [*found, ('state', state(run)), *_facts(run)]
    return Panel(
        'summary',
        'Summary',
        CAPTION,
        advice=[*result, *warnings],
        tables=[Table((), rows)],
    )


def _found_weights(run: Run) -> list[tuple[str, str]]:
    weights = last_weights(run)
    trained = run.epochs is not None
    name = f'weights, {"end of the training" if trained else "last winner"}'
    text = ', '.join(f'{k} {w:.3g}' for k, w in weights.items())
    return [(name, text)] if text else []


def _found_curves(run: Run) -> list[tuple[str, str]]:
    path = run.work_dir / CURVE_FILE
    try:
        stored = load_curve(path)
    except (OSError, ValueError):
        return []
    points = ', '.join(f'{value:.3g}' for value in stored.points)
    return [(f'curves found for {stored.metric}', f'{points} ({path})')]


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
        (f'validation, {short(key)}', f'{list(curve.values())[-1]:.4g}')
        for key, curve in run.log.metrics.items()
        if is_main(key)
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
                f'{known[0]:.4g} in the first round, {known[-1]:.4g} in the '
                'last, on the reward images',
            )
        )
    return facts
