"""Policies: from the losses of a model to the weights to train it with.

:class:`LossRatioPolicy` is the paper's. :class:`GroupPolicy` has few
parameters: a log-factor for each group of objectives. :class:`ConstantPolicy`
sees no losses. `POLICIES` holds those that a policy file may name.

Notation: n objectives, k groups. Every tensor is float64 on the CPU and every
function accepts leading batch dimensions, written ``(..., n)``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn

from mmada.utils.checks import (
    check_choice,
    check_groups,
    check_int,
    check_number,
)
from mmada.utils.measurements import measured

LOSS_FLOOR = 1e-4
"""Smallest loss that is divided by or whose logarithm is taken."""


class Policy(nn.Module, ABC):
    """Maps losses to actions, and actions to weights.

    An action is what exploration adds noise to; which space it lives in is
    the policy's choice.
    """

    kind: ClassVar[str]
    """Name of the class in a policy file."""
    normaliser: ClassVar[str]
    """How weights are normalised, in words, for a policy file."""
    needs_losses: bool = True
    """Whether the weights depend on the losses, by ratios or logarithms."""

    def __init__(self, num_objectives: int) -> None:
        super().__init__()
        self.num_objectives = check_int('num_objectives', num_objectives, 2)

    @abstractmethod
    def decode(self, actions: Tensor) -> Tensor:
        """Turn actions ``(..., n)`` into weights ``(..., n)``."""

    def weights(self, losses: Tensor) -> Tensor:
        """Return the weights meant for losses, both ``(..., n)``."""
        return self.decode(self(losses))

    def negative_probability(self, losses: Tensor, sigma: float) -> Tensor:
        """Return how likely it is that a sample has a negative weight.

        Args:
            losses: Raw losses, shape ``(..., n)``.
            sigma: Standard deviation of the noise on an action.

        Returns:
            Probabilities ``(...)``; 0 where actions are decoded to positive
            weights whatever they are.
        """
        return torch.zeros(losses.shape[:-1], dtype=torch.float64)

    def spec(self) -> dict[str, Any]:
        """Return what :func:`build_policy` needs to build an equal shape."""
        return dict(kind=self.kind, num_objectives=self.num_objectives)


class LossRatioPolicy(Policy):
    """The paper's policy: three linear layers predict weighted losses.

    Layers n-h-h-n with ReLU, weights drawn from Normal(1 / n_in, init_std),
    biases 0; an action is a weight vector. With ``init_std=0`` the output is
    mean(l) for every objective, so the start is inverse-loss weighting. The
    weights may become negative.

    Args:
        num_objectives: Number n of objectives.
        hidden: Width h of the hidden layers. Defaults to 16.
        init_std: Spread of the initial weights. Defaults to 0.01.
        generator: Random stream of the initialisation. Defaults to one of
            its own, so that the global stream is never touched.
    """

    kind = 'loss_ratio'
    normaliser = 'none'

    def __init__(
        self,
        num_objectives: int,
        hidden: int = 16,
        init_std: float = 0.01,
        generator: Generator | None = None,
    ) -> None:
        super().__init__(num_objectives)
        self.hidden = check_int('hidden', hidden, 1)
        std = check_number('init_std', init_std, 0)
        generator = generator or Generator().manual_seed(0)
        sizes = [num_objectives, hidden, hidden, num_objectives]
        first, second, last = (
            _linear(num_in, num_out, 1 / num_in, std, generator)
            for num_in, num_out in zip(sizes, sizes[1:], strict=False)
        )
        self.net = nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), last)

    def forward(self, losses: Tensor) -> Tensor:
        """Return the mean action, here the weights of Eq. 1."""
        return loss_ratio(self.net(floored(losses)), losses)

    def decode(self, actions: Tensor) -> Tensor:
        """Return the actions themselves."""
        return actions

    def negative_probability(self, losses: Tensor, sigma: float) -> Tensor:
        """Return 1 - prod Phi(w / sigma): the noise is on the weights."""
        log_positive = torch.special.log_ndtr(self(losses) / sigma)
        return -log_positive.sum(-1).expm1()

    def spec(self) -> dict[str, Any]:
        """Return the width of the layers, too; see :class:`Policy`."""
        return super().spec() | dict(hidden=self.hidden)


def _linear(
    num_in: int,
    num_out: int,
    mean: float,
    std: float,
    generator: Generator,
) -> nn.Linear:
    # Not nn.Linear(): its own initialisation would advance the global random
    # stream of the training run that the policy is built in.
    layer: nn.Linear = nn.utils.skip_init(
        nn.Linear, num_in, num_out, dtype=torch.float64
    )
    with torch.no_grad():
        layer.weight.normal_(mean, std, generator=generator)
        layer.bias.zero_()
    return layer


class ConstantPolicy(Policy):
    """Gives the same weights for any losses.

    What a search without a network leaves behind: one such policy for each
    round is a schedule of weights. The parameters are log-weights, so the
    weights are positive by construction; all are 1 at first.

    Args:
        num_objectives: Number n of objectives.
    """

    kind = 'constant'
    normaliser = 'none'
    needs_losses = False

    def __init__(self, num_objectives: int) -> None:
        super().__init__(num_objectives)
        self.log_weights = nn.Parameter(
            torch.zeros(num_objectives, dtype=torch.float64)
        )

    @classmethod
    def of(cls, weights: Tensor) -> ConstantPolicy:
        """Return the frozen policy of positive weights, shape ``(n,)``."""
        policy = cls(len(weights)).requires_grad_(False)
        policy.log_weights.copy_(weights.log())
        return policy

    def forward(self, losses: Tensor) -> Tensor:
        """Return the log-weights for each of the losses, ``(..., n)``."""
        return self.log_weights.expand(losses.shape)

    def decode(self, actions: Tensor) -> Tensor:
        """Return the weights, not normalised."""
        return actions.exp()


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
        self.groups = complete_groups(groups, num_objectives)
        self.start = check_number('start', start, 0, 1)
        self.needs_losses = self.start > 0
        # Indices, not a matrix: a policy file may hold many rounds of many
        # objectives.
        self._group_of = group_indices(self.groups)
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


def complete_groups(groups: Any, num_objectives: int) -> list[list[int]]:
    """Return groups that cover each objective once; singles for None.

    Raises:
        ValueError: If they are no groups of indices, or an objective is
            missing, unknown or in two groups.
    """
    if groups is None:
        return [[i] for i in range(num_objectives)]
    lists = check_groups('groups', groups, num_objectives)
    if len(lists) < 2 or sum(map(len, lists)) < num_objectives:
        raise ValueError(
            '`groups` should hold each objective from 0 to '
            f'{num_objectives - 1}, in at least 2 groups: in one, no weight '
            f'could change against another. Found {groups!r}.'
        )
    return lists


def group_indices(groups: Sequence[Sequence[int]]) -> Tensor:
    """Return the group of each objective, ``(n,)``; each is in one."""
    found = {i: g for g, group in enumerate(groups) for i in group}
    return torch.tensor([found[i] for i in range(len(found))])


def membership(groups: Sequence[Sequence[int]]) -> Tensor:
    """Return which objective is in which group, ``(k, n)`` of 0 and 1."""
    matrix = torch.zeros(
        len(groups), sum(map(len, groups)), dtype=torch.float64
    )
    for row, group in zip(matrix, groups, strict=True):
        row[list(group)] = 1.0
    return matrix


def centred_basis(size: int) -> Tensor:
    """Return an orthonormal basis of the vectors of sum 0, (k - 1, k)."""
    rows = torch.eye(size, dtype=torch.float64)[:-1]
    steps = rows - 1.0 / size
    basis, _ = torch.linalg.qr(steps.T)
    return basis.T


POLICIES: dict[str, type[Policy]] = {
    policy.kind: policy
    for policy in (LossRatioPolicy, GroupPolicy, ConstantPolicy)
}


def build_policy(spec: dict[str, Any]) -> Policy:
    """Build a policy of the shape that :meth:`Policy.spec` described.

    Raises:
        ValueError: If the kind is unknown or a size is out of range.
    """
    options = dict(spec)
    kind = options.pop('kind', None)
    return POLICIES[check_choice('kind', kind, POLICIES)](**options)


def floored(losses: Tensor) -> Tensor:
    """Return losses ``(..., n)`` that may be divided by, without a graph.

    One that is no measurement counts as the geometric mean of the others, 1
    if there are none: its weight is that of a loss of the usual size.
    """
    losses = losses.detach()
    known = measured(losses)
    floor = losses.clamp(min=LOSS_FLOOR)
    logs = floor.log().masked_fill(~known, 0.0)
    count = known.sum(-1, keepdim=True).clamp(min=1)
    return floor.where(known, (logs.sum(-1, keepdim=True) / count).exp())


def loss_ratio(outputs: Tensor, losses: Tensor) -> Tensor:
    """Turn desired weighted losses into weights (Ada-Segment, Eq. 1).

    Args:
        outputs: Desired weighted losses eta, shape ``(..., n)``.
        losses: Raw losses l, constant for autograd, shape ``(..., n)``.

    Returns:
        Weights ``eta / max(l, LOSS_FLOOR)``, shape ``(..., n)``.
    """
    return outputs / floored(losses)


def centred_log(losses: Tensor) -> Tensor:
    """Return ``log l - mean(log l)``, the shape of a loss vector.

    Scaling all losses together changes nothing; scaling one of them by c
    moves it by log c against the others.

    Args:
        losses: Raw losses, floored at ``LOSS_FLOOR``, shape ``(..., n)``.
    """
    logs = floored(losses).log()
    return logs - logs.mean(-1, keepdim=True)


def mean_one_weights(log_weights: Tensor) -> Tensor:
    """Return ``exp(z) / mean(exp(z))``: positive weights of mean 1.

    Args:
        log_weights: Log-weights z up to a common constant, ``(..., n)``.
    """
    return torch.softmax(log_weights, -1) * log_weights.shape[-1]
