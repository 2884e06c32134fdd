"""What a run has cost so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from mmada.controllers import Controller
from mmada.engine.registration import registered_class
from mmada.policies.policy_file import load_policy
from mmada.utils.run_files import POLICY_FILE
from mmada.visualization.history import Search
from mmada.visualization.report.panels.panel import Panel, Table
from mmada.visualization.report.run import Run

T = TypeVar('T', int, float)
CAPTION = (
    'Counted, not timed: iterations of training, and how often the reward '
    'images were evaluated. The last column is in units of one whole '
    'training of this config, without the evaluations; replicas that rested '
    'cost nothing. The pseudo epoch with which some weightings begin a '
    'training is not recorded, and so not counted. A dash is what the records '
    'do not tell.'
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


@dataclass(frozen=True)
class Cost:
    """Iterations and evaluations; None is what is not known.

    Attributes:
        part: What was done, such as ``exploration``.
        segments: Replicas that were trained for a round.
        iterations: Of training.
        evaluations: Of the reward images.
        trainings: The iterations in units of one whole training.
    """

    part: str
    segments: int
    iterations: int | None
    evaluations: int
    trainings: float | None


def count_costs(run: Run) -> list[Cost]:
    """Count the parts of a run, in their order."""
    costs = []
    for search in run.searches:
        segments = sum(int(r.trained.sum()) for r in search.rounds)
        costs += [
            _of_segments(run, search, f'{search.title}, pseudo epoch', 1),
            _of_segments(run, search, search.title, segments),
        ]
    if run.log.iterations:
        done = run.log.iterations
        unit = training_length(run)
        trainings = done / unit if unit else None
        costs.append(Cost('training', 0, done, 0, trainings))
    return costs


def total_cost(costs: Sequence[Cost]) -> Cost:
    """Add up; one part that is not known leaves the sum unknown."""
    return Cost(
        'all so far',
        sum(cost.segments for cost in costs),
        _sum([cost.iterations for cost in costs]),
        sum(cost.evaluations for cost in costs),
        _sum([cost.trainings for cost in costs]),
    )


def _sum(values: Sequence[T | None]) -> T | None:
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def _of_segments(run: Run, search: Search, part: str, number: int) -> Cost:
    length, unit = segment_length(run, search), training_length(run)
    trainings = None
    if length and unit:
        trainings = number * length / unit
    elif search.config and search.config.get('iters_per_round') is None:
        # A segment is one epoch then.
        epochs = run.config.training.get('max_epochs')
        trainings = number / epochs if epochs else None
    iterations = None if length is None else number * length
    return Cost(part, number, iterations, number, trainings)


def segment_length(run: Run, search: Search) -> int | None:
    """Return the iterations q of a round, None if not known."""
    known = search.config.get('iters_per_round')
    if known is None:
        known = _provenance(run).get('iters_per_round', run.log.epoch_length)
    return None if known is None else int(known)


def training_length(run: Run) -> int | None:
    """Return the iterations of one whole training, None if not known.

    It is the run's own training, or else the schedule of its first search.
    """
    training = run.config.training
    if 'max_iters' in training:
        return int(training['max_iters'])
    if 'max_epochs' in training and run.log.epoch_length:
        return int(training['max_epochs']) * run.log.epoch_length
    if not run.searches or 'max_epochs' in training:
        return None
    length = segment_length(run, run.searches[0])
    rounds = _training_rounds(run.searches[0])
    return None if length is None or rounds is None else length * rounds


def _training_rounds(search: Search) -> int | None:
    """Return the rounds of one whole training, None if not known."""
    rounds = search.config.get('num_rounds')
    if rounds is None:
        return None
    controller = search.config.get('controller', {})
    base: Any = Controller  # abstract
    try:
        found = registered_class('controller', controller, base)
        return int(found.training_rounds(rounds, controller))
    except ValueError:  # a class of the user's own
        return int(rounds)


def _provenance(run: Run) -> dict:
    try:
        return load_policy(run.work_dir / POLICY_FILE).provenance
    except (OSError, ValueError):
        return {}
