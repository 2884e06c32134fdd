"""What a search leaves behind: its policies, and how they are combined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from mmada.policies.policy import Policy, floored
from mmada.utils.checks import (
    check_int,
    check_number,
    check_positive,
    check_vector,
)
from mmada.utils.measurements import check_not_negative

WEIGHT_FLOOR = 1e-3
"""Smallest weight that a model is trained with."""


def ensemble_coefficients(
    epoch: int, num_epochs: int, num_policies: int, gamma: float
) -> Tensor:
    """Return the share of each policy in an epoch (Ada-Segment, Eq. 7).

    Epoch e of E lies beside round ``e T / E`` of T. The index is Algorithm
    1's: the e-th epoch trains with what the paper calls lambda^(e+1), and
    the losses of the epoch before it are l^e.

    Args:
        epoch: e, from 1 to E.
        num_epochs: E.
        num_policies: T.
        gamma: Discount per round of distance, in (0, 1].

    Returns:
        ``gamma^|e T / E - t| / Z`` for t = 1..T, shape ``(T,)``, sum 1.
    """
    rounds = torch.arange(1, num_policies + 1, dtype=torch.float64)
    distance = (epoch * num_policies / num_epochs - rounds).abs()
    # softmax of the logarithms: no underflow, however far the epoch is.
    return torch.softmax(
        distance * torch.tensor(gamma, dtype=torch.float64).log(), 0
    )


@dataclass(frozen=True)
class PolicyEnsemble:
    """The policies of a search, in the order of its rounds.

    Args:
        policies: Policy saved after the update of each round, T of them.
        initial_losses: l^1, the losses before the first round, ``(n,)``.
        best_weights: Weights that the best replica of the last round
            trained with, shape ``(n,)``.
        gamma: Discount of Eq. 7. Defaults to 0.9.
        floor: Smallest weight given out. Defaults to 1e-3.
        objectives: Names of the n objectives, or none if not known yet.
        provenance: Where it comes from, JSON-able.

    Raises:
        ValueError: If the parts do not fit together.
    """

    policies: tuple[Policy, ...]
    initial_losses: Tensor
    best_weights: Tensor
    gamma: float = 0.9
    floor: float = WEIGHT_FLOOR
    objectives: tuple[str, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.policies:
            raise ValueError(
                '`policies` should hold at least one policy. Found none.'
            )
        specs = [policy.spec() for policy in self.policies]
        if any(spec != specs[0] for spec in specs):
            raise ValueError(
                f'`policies` should all have one shape. Found {specs}.'
            )
        check_number('gamma', self.gamma, 0, 1, above=True)
        check_number('floor', self.floor, 0, 1, above=True)
        for name in ('initial_losses', 'best_weights'):
            check_positive(name, getattr(self, name), self.num_objectives)
        names = self.objectives
        if names and (
            len(set(names)) != len(names) or len(names) != self.num_objectives
        ):
            raise ValueError(
                f'`objectives` should be {self.num_objectives} '
                f'different names. Found {list(names)}.'
            )

    @property
    def num_objectives(self) -> int:
        """Number n of objectives."""
        return self.policies[0].num_objectives

    @property
    def num_rounds(self) -> int:
        """Number T of saved policies."""
        return len(self.policies)

    @property
    def nothing_learned(self) -> str:
        """Why the search learned nothing; '' if it did learn, as far as known.

        What it left is then where it started, or chance.
        """
        return str(self.provenance.get('nothing_learned', ''))

    @property
    def needs_losses(self) -> bool:
        """Whether the weights depend on the losses."""
        return any(policy.needs_losses for policy in self.policies)

    def named(self, objectives: Sequence[str]) -> PolicyEnsemble:
        """Return a copy that knows the names of its objectives."""
        return replace(self, objectives=tuple(objectives))

    def with_initial_losses(self, losses: Tensor) -> PolicyEnsemble:
        """Return a copy with the l^1 of another training run."""
        losses = self._checked(losses)
        return replace(self, initial_losses=floored(losses))

    def last_weights(self, losses: Tensor) -> Tensor:
        """Return the weights of the last policy alone, ``(n,)``."""
        losses = self._checked(losses)
        with torch.no_grad():
            return self.policies[-1].weights(losses).clamp(min=self.floor)

    def weights(self, epoch: int, num_epochs: int, losses: Tensor) -> Tensor:
        """Return the weights of all policies combined (Eq. 7).

        Args:
            epoch: The epoch that is about to be trained, from 1 to E.
            num_epochs: E, independent of the number of rounds.
            losses: Raw mean losses of the epoch before, shape ``(n,)``.

        Returns:
            Weights, floored after averaging, shape ``(n,)``.

        Raises:
            ValueError: If an argument is out of range.
        """
        losses = self._checked(losses)
        check_epoch(epoch, num_epochs)
        shares = ensemble_coefficients(
            epoch, num_epochs, self.num_rounds, self.gamma
        )
        with torch.no_grad():
            rows = torch.stack([p.weights(losses) for p in self.policies])
        return (shares @ rows).clamp(min=self.floor)

    def _checked(self, losses: Tensor) -> Tensor:
        losses = check_vector('losses', losses, self.num_objectives)
        if self.needs_losses:
            check_not_negative(losses, self.objectives, 'this policy')
        return losses


def check_epoch(epoch: int, num_epochs: int) -> None:
    """Check that an epoch is one of 1 to E.

    Raises:
        ValueError: If it is not.
    """
    check_int('num_epochs', num_epochs, 1)
    if check_int('epoch', epoch, 1) > num_epochs:
        raise ValueError(
            f'`epoch` should be at most {num_epochs}. Found {epoch}.'
        )
