"""Exploration of a few directions: the factors of groups of objectives."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from mmada.controllers.ada_segment.exploration import (
    Exploration,
    antithetic,
    gaussian_log_density,
)
from mmada.controllers.group_policy import membership
from mmada.utils.checks import check_number


def spread_out(noise: Tensor) -> Tensor:
    """Make rows orthogonal as far as there are dimensions.

    Each row keeps its length, and by symmetry its distribution; directions
    at right angles tell more about a slope than those that chance to agree.

    Args:
        noise: Normal draws, shape ``(count, k)``.
    """
    rows: list[Tensor] = []
    size = noise.shape[-1]
    for i, row in enumerate(noise):
        rest = row.clone()
        for other in rows[i - i % size :]:
            rest = rest - (rest @ other) / (other @ other) * other
        rows.append(rest * (row.norm() / rest.norm()))
    return torch.stack(rows) if rows else noise


def centred_basis(size: int) -> Tensor:
    """Return an orthonormal basis of the vectors of sum 0, (k - 1, k)."""
    rows = torch.eye(size, dtype=torch.float64)[:-1]
    steps = rows - 1.0 / size
    basis, _ = torch.linalg.qr(steps.T)
    return basis.T


class GroupExploration(Exploration):
    """Antithetic noise on the log-factors of groups.

    Args:
        sigma: Standard deviation of each log-factor before centring.
        groups: Indices of the objectives of each group.
    """

    def __init__(self, sigma: float, groups: Sequence[Sequence[int]]) -> None:
        self.sigma = check_number('sigma', sigma, 0, above=True)
        self._members = membership(groups)

    def sample(
        self,
        mean: Tensor,
        count: int,
        scale: float,
        generator: Generator,
    ) -> Tensor:
        """Draw antithetic pairs; with an odd count the last is the mean."""
        size = len(self._members)
        # Centred draws have one dimension less; drawn in that space, so that
        # they can be at right angles there.
        noise = torch.randn(
            count // 2, size - 1, dtype=mean.dtype, generator=generator
        )
        factors = spread_out(noise) @ centred_basis(size)
        offsets = self.sigma * scale * factors @ self._members
        offsets = offsets - offsets.mean(-1, keepdim=True)
        return mean + antithetic(offsets, count)

    def log_prob(self, actions: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        """Log-density of the centred log-factors."""
        means = (actions - mean) @ self._members.T / self._members.sum(-1)
        factors = means - means.mean(-1, keepdim=True)
        basis = centred_basis(len(self._members))
        return gaussian_log_density(factors @ basis.T, self.sigma * scale)

    def legal(self, actions: Tensor) -> Tensor:
        """Every sample gives positive weights."""
        return torch.ones(len(actions), dtype=torch.bool)
