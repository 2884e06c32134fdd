"""A grid of static weights, one whole training a point."""

from __future__ import annotations

import itertools
from collections.abc import Sequence, Sized
from typing import Any

import torch
from torch import Tensor

from mmada.controllers.static_search import StaticSearch
from mmada.controllers.weight_search import InitialWeights
from mmada.policies.ensemble import WEIGHT_FLOOR
from mmada.utils.checks import check_groups, check_numbers


class GridSearch(StaticSearch):
    """Baseline-G of Ada-Segment: static weights on a grid.

    Points are tried in their order, m at a time; the seed plays no part. A
    round whose points all diverged is tried again with the best weights so
    far (or the initial ones) in place of its first point, so that it has a
    winner and the points after it get their turn.

    Args:
        num_objectives: Number n of losses that are weighted.
        num_rounds: Number T of rounds.
        num_replicas: Number m of replicas; T m / R is the number of points.
        points: Weights to try, rows of n numbers; None for those of
            ``groups`` and ``values``. Defaults to None.
        groups: See :func:`grid_points`.
        values: See :func:`grid_points`.
        seed: Unused.
        initial: Weights that the points are factors on; ``'inverse_loss'``
            for inverse-loss weighting of l^1, None for all ones. Defaults to
            None.
        rounds_per_training: Rounds R of a training. Defaults to 1.

    Raises:
        ValueError: If a value is out of range, or there are more or fewer
            points than replicas.
    """

    def __init__(
        self,
        num_objectives: int,
        num_rounds: int,
        num_replicas: int,
        points: Sequence[Sequence[float]] | None = None,
        groups: Sequence[Sequence[int]] | None = None,
        values: Sequence[Sequence[float]] | None = None,
        seed: int = 0,
        initial: InitialWeights = None,
        rounds_per_training: int = 1,
    ) -> None:
        super().__init__(
            num_objectives,
            num_rounds,
            num_replicas,
            seed,
            {},
            initial,
            rounds_per_training=rounds_per_training,
        )
        half = (groups is None) != (values is None)
        if half or (points is None) == (groups is None):
            raise ValueError(
                '`points`, or `groups` and `values`, should be given, not '
                f'both. Found points={points!r}, groups={groups!r}, '
                f'values={values!r}.'
            )
        if points is None:
            assert groups is not None and values is not None
            points = grid_points(groups, values, num_objectives)
        self._points = self._checked(points)
        self._identity['options'] |= dict(points=self._points.tolist())
        self._failed = False

    def _checked(self, points: Sequence[Sequence[float]]) -> Tensor:
        if not isinstance(points, Sized):
            raise ValueError(
                f'`points` should be rows of {self.num_objectives} weights. '
                f'Found {points!r}.'
            )
        trainings = max(1, self.num_rounds // self._whole)
        if len(points) != trainings * self.num_replicas:
            rounds = (
                '`num_rounds`'
                if self._whole == 1
                else '`num_rounds / rounds_per_training`'
            )
            raise ValueError(
                f'{rounds} times `num_replicas` should be the number of '
                f'points, {len(points)}. Found {trainings} times '
                f'{self.num_replicas}.'
            )
        rows = [
            check_numbers(
                f'points[{i}]', point, self.num_objectives, WEIGHT_FLOOR
            )
            for i, point in enumerate(points)
        ]
        return torch.stack(rows)

    def draw(self) -> Tensor:
        first = self.trainings_done * self.num_replicas
        drawn = self._points[first : first + self.num_replicas] * self.initial
        if self._failed:
            drawn[0] = self._best.action if first else self.initial
        self._failed = True  # until the round has a winner
        return drawn

    def keep(self, weights: Tensor, metric: Tensor) -> None:
        super().keep(weights, metric)
        self._failed = False

    def _memory(self) -> dict[str, Any]:
        return super()._memory() | dict(failed=self._failed)

    def _remember(self, memory: dict[str, Any]) -> None:
        super()._remember(memory)
        self._failed = memory['failed']


def grid_points(
    groups: Sequence[Sequence[int]],
    values: Sequence[Sequence[float]],
    num_objectives: int,
) -> list[list[float]]:
    """Return every combination of values, the last group's changing first.

    Args:
        groups: Indices of the objectives that share a weight, disjoint.
            Objectives in no group have weight 1.
        values: Weights to try, one list for each group.
        num_objectives: Number n of objectives.

    Raises:
        ValueError: If the groups overlap or do not fit, or there is not one
            list of values for each.
    """
    groups = check_groups('groups', groups, num_objectives)
    try:
        lists = [list(row) for row in values]
    except TypeError:
        lists = [[]]
    if len(lists) != len(groups) or not all(lists):
        raise ValueError(
            f'`values` should be {len(groups)} lists of weights, one for '
            f'each of `groups`. Found {values!r}.'
        )
    points = []
    for combination in itertools.product(*lists):
        point = [1.0] * num_objectives
        for group, value in zip(groups, combination, strict=True):
            for index in group:
                point[index] = value
        points.append(point)
    return points
