"""What it cost."""

from __future__ import annotations

from mmada.visualization.report.costs import (
    Cost,
    count_costs,
    total_cost,
)
from mmada.visualization.report.panels.panel import Panel, Table
from mmada.visualization.report.run import Run

CAPTION = (
    'Counted, not timed: iterations of training, and how often the reward '
    'images were evaluated. The last column is in units of one whole '
    'training of this config, without the evaluations; replicas that rested '
    'cost nothing. A dash is what the records do not tell.'
)
HEADER = (
    'part',
    'segments',
    'iterations',
    'evaluations of the reward images',
    'trainings',
)


def costs_panel(run: Run) -> Panel | None:
    """List the parts of a run and what each took."""
    costs = count_costs(run)
    if not costs:
        return None
    rows = [_row(cost) for cost in (*costs, total_cost(costs))]
    return Panel('cost', 'Cost', CAPTION, tables=[Table(HEADER, rows)])


def _row(cost: Cost) -> list[str]:
    iterations, trainings = cost.iterations, cost.trainings
    return [
        cost.part,
        str(cost.segments) if cost.segments else '',
        '-' if iterations is None else f'{iterations:,}',
        str(cost.evaluations) if cost.evaluations else '',
        '-' if trainings is None else f'{trainings:.2f}',
    ]
