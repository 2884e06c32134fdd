"""A grid: its points, their order, and the best of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mmada.controllers import GridSearch, Start
from mmada.controllers.grid_search import grid_points

LOSSES = torch.tensor([0.4, 0.2], dtype=torch.float64)
POINTS = [[1.0, 1.0], [2.0, 1.0], [1.0, 2.0], [0.5, 4.0]]
NAN = float('nan')


def search(**changes: Any) -> GridSearch:
    options = dict(
        num_objectives=2, num_rounds=2, num_replicas=2, points=POINTS
    )
    return GridSearch(**(options | changes))


def observe(controller: GridSearch, *metrics: float):
    return controller.observe(torch.tensor(metrics), None)


def test_every_point_is_a_training_of_its_own() -> None:
    assert GridSearch.start is Start.INITIAL


def test_the_papers_grid() -> None:
    detection, segmentation = [0.5, 0.75, 1, 1.5], [0.1, 0.25, 0.5, 0.75, 1]
    points = grid_points([[0, 1, 2], [3]], [detection, segmentation], 5)
    assert len(points) == 20
    assert points[0] == [0.5, 0.5, 0.5, 0.1, 1]  # the fifth is in no group
    assert points[1] == [0.5, 0.5, 0.5, 0.25, 1]
    assert points[5] == [0.75, 0.75, 0.75, 0.1, 1]
    assert points[-1] == [1.5, 1.5, 1.5, 1, 1]
    assert len({tuple(point) for point in points}) == 20
    controller = GridSearch(
        num_objectives=4,
        num_rounds=5,
        num_replicas=4,
        groups=[[0, 1, 2], [3]],
        values=[detection, segmentation],
    )
    assert controller.propose(torch.ones(4)).tolist() == [
        [0.5, 0.5, 0.5, value] for value in (0.1, 0.25, 0.5, 0.75)
    ]


def test_rounds_take_the_points_in_their_order() -> None:
    controller = search()
    assert controller.propose(LOSSES).tolist() == POINTS[:2]
    observe(controller, 5.0, 1.0)
    assert controller.propose(LOSSES).tolist() == POINTS[2:]


def test_trainings_of_two_rounds_keep_their_points() -> None:
    controller = search(num_rounds=4, rounds_per_training=2)
    for points in (POINTS[:2], POINTS[2:]):
        for metrics in ((1.0, 2.0), (4.0, 3.0)):
            assert controller.propose(LOSSES).tolist() == points
            observe(controller, *metrics)
    assert controller.ensemble().best_weights.tolist() == POINTS[0]
    message = (
        '`num_rounds / rounds_per_training` times `num_replicas` should be '
        'the number of points, 4. Found 1 times 2'
    )
    with pytest.raises(ValueError, match=message):
        search(num_rounds=2, rounds_per_training=2)


def test_the_best_point_of_all_rounds_is_found() -> None:
    controller = search()
    for metrics in ((3.0, 9.0), (NAN, 4.0)):
        controller.propose(LOSSES)
        observe(controller, *metrics)
    ensemble = controller.ensemble()
    assert ensemble.best_weights.tolist() == [2, 1]
    assert controller.best_metric == 9
    torch.testing.assert_close(
        ensemble.weights(3, 7, LOSSES), torch.tensor([2.0, 1.0]).double()
    )


def test_points_that_all_diverge_do_not_stop_the_search() -> None:
    controller = search()
    controller.propose(LOSSES)
    observe(controller, NAN, NAN)
    assert controller.propose(LOSSES).tolist() == [[1, 1], POINTS[1]]
    observe(controller, 2.0, 6.0)
    controller.propose(LOSSES)
    observe(controller, NAN, NAN)
    assert controller.propose(LOSSES).tolist() == [[2, 1], POINTS[3]]
    observe(controller, 6.0, NAN)
    assert controller.ensemble().best_weights.tolist() == [2, 1]


def test_a_round_with_one_survivor_is_not_repeated() -> None:
    controller = search()
    controller.propose(LOSSES)
    observe(controller, NAN, 3.0)
    assert controller.propose(LOSSES).tolist() == POINTS[2:]


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(points=None), '`points`, or `groups` and `values`'),
        (dict(groups=[[0]], values=[[1.0]]), '`points`, or `groups`'),
        (dict(points=None, groups=[[0]]), '`points`, or `groups`'),
        (dict(groups=[[0]]), r'not both.*groups=\[\[0\]\]'),
        (dict(values=[[1.0]]), r'not both.*values=\[\[1.0\]\]'),
        (dict(points=5), '`points`.*2 weights.*Found 5'),
        (dict(points=[1.0] * 4), r'`points\[0\]`.*Found 1.0'),
        (dict(points=POINTS[:3]), 'number of points, 3.*2 times 2'),
        (dict(num_rounds=3), 'number of points, 4.*3 times 2'),
        (dict(points=[*POINTS[:3], [1.0]]), r'`points\[3\]`.*\[1.0\]'),
        (dict(points=[*POINTS[:3], [1.0, 0.0]]), r'`points\[3\]`.*0.0'),
    ],
)
def test_bad_options_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        search(**changes)


@pytest.mark.parametrize(
    ('groups', 'values', 'message'),
    [
        ([[0, 1], [1]], [[1], [2]], '`groups`'),
        ([[0, 0]], [[1]], '`groups`'),
        ([[2]], [[1]], '`groups`.*below 2'),
        ([[-1]], [[1]], '`groups`'),
        ([[]], [[1]], '`groups`'),
        ([0, 1], [[1], [2]], r'`groups`.*Found \[0, 1\]'),
        (5, [[1]], '`groups`.*Found 5'),
        ([[[0]]], [[1]], r'`groups`.*Found \[\[\[0\]\]\]'),
        ([[0.0]], [[1]], r'`groups`.*Found \[\[0.0\]\]'),
        ([[0], [1]], [[1]], '`values`.*2 lists'),
        ([[0]], [[]], '`values`'),
        ([[0], [1]], [0.5, 1.0], r'`values`.*Found \[0.5, 1.0\]'),
        ([[0]], 5, '`values`.*Found 5'),
        ([], 5, '`values`.*Found 5'),
    ],
)
def test_groups_that_make_no_grid(
    groups: list, values: list, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        grid_points(groups, values, 2)
