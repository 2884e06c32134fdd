"""A policy of few parameters: one log-factor for each group of objectives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmada.policies.policy import Policy, centred_log, mean_one_weights
from mmada.utils.checks import check_number


def check_groups(groups: Any, num_objectives: int) -> list[list[int]]:
    """Return groups that cover each objective once; singles for None.

    Raises:
        ValueError: If they are no groups of indices, or an objective is
            missing, unknown or in two groups.
    """
    if groups is None:
        return [[i] for i in range(num_objectives)]
    try:
        lists = [list(group) for group in groups]
    except TypeError:
        lists = []
    members = [i for group in lists for i in group]
    indices = all(type(i) is int for i in members) and all(lists)
    if not indices or sorted(members) != list(range(num_objectives)):
        raise ValueError(
            '`groups` should hold each objective from 0 to '
            f'{num_objectives - 1} once, in groups that are not empty. '
            f'Found {groups!r}.'
        )
    if len(lists) < 2:
        raise ValueError(
            '`groups` should be at least 2, or no weight could change '
            f'against another. Found {groups!r}.'
        )
    return lists


def membership(groups: Sequence[Sequence[int]]) -> Tensor:
    """Return which objective is in which group, ``(k, n)`` of 0 and 1."""
    matrix = torch.zeros(
        len(groups), sum(map(len, groups)), dtype=torch.float64
    )
    for row, group in zip(matrix, groups, strict=True):
        row[list(group)] = 1.0
    return matrix


class GroupPolicy(Policy):
    """Inverse-loss weighting times a learned factor for each group.

    With ``x = log l - mean(log l)`` the action is the centred part of
    ``z_i = -start * x_i + b_g(i)``; weights have mean 1. What a group's
    losses differ in by scale alone, inverse-loss weighting takes away, so
    that k factors are left to learn in place of n.

    Args:
        num_objectives: Number n of objectives.
        groups: Indices of the objectives of each of the k groups; None is
            one group for each objective.
        start: Exponent of inverse-loss weighting, in [0, 1]; 0 starts at all
            ones.

    Raises:
        ValueError: If a value is out of range.
    """

    kind = 'group'
    normaliser = 'mean_one'

    def __init__(
        self,
        num_objectives: int,
        groups: Sequence[Sequence[int]] | None,
        start: float,
    ) -> None:
        super().__init__(num_objectives)
        self.groups = check_groups(groups, num_objectives)
        self.start = check_number('start', start, 0, 1)
        # A row of indices, not a matrix: a policy file may hold many rounds
        # of many objectives.
        rows = {i: g for g, group in enumerate(self.groups) for i in group}
        self._group_of = torch.tensor([rows[i] for i in range(len(rows))])
        self.bias = nn.Parameter(
            torch.zeros(len(self.groups), dtype=torch.float64)
        )

    def forward(self, losses: Tensor) -> Tensor:
        """Return the mean action: centred log-weights ``(..., n)``."""
        shape = centred_log(losses)
        return self.expand(self.bias) - self.start * shape

    def expand(self, factors: Tensor) -> Tensor:
        """Turn log-factors ``(..., k)`` into centred log-weights."""
        log_weights = factors[..., self._group_of]
        return log_weights - log_weights.mean(-1, keepdim=True)

    def coordinates(self, actions: Tensor, losses: Tensor) -> Tensor:
        """Return the log-factors that actions stand for, ``(..., k)``.

        They are centred, since a factor on all groups changes no weight.
        """
        offsets = actions + self.start * centred_log(losses)
        members = membership(self.groups)
        means = offsets @ members.T / members.sum(-1)
        return means - means.mean(-1, keepdim=True)

    @torch.no_grad()
    def move(self, step: Tensor) -> None:
        """Add a step ``(k,)`` to the log-factors, which stay centred."""
        self.bias.add_(step - step.mean())

    def decode(self, actions: Tensor) -> Tensor:
        """Return weights of mean 1."""
        return mean_one_weights(actions)

    def spec(self) -> dict[str, Any]:
        """Return groups and start, too; see :class:`Policy`."""
        return super().spec() | dict(groups=self.groups, start=self.start)
