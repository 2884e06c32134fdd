"""Exploration: how m actions are drawn around a policy's mean action.

The paper draws every weight (:class:`GaussianExploration`); the stable preset
draws the few factors of groups of objectives (:class:`GroupExploration`).

Notation: m replicas, n objectives; log-densities broadcast over leading
dimensions, written ``(..., n)``. A ``scale`` multiplies every standard
deviation; a controller lowers it for a while after a failed round.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from mmada.policies.policy import centred_basis, membership
from mmada.utils.checks import check_number


class Exploration(ABC):
    """A distribution of actions around a mean action."""

    @abstractmethod
    def sample(
        self,
        mean: Tensor,
        count: int,
        scale: float,
        generator: Generator,
    ) -> Tensor:
        """Draw ``count`` actions around a mean ``(n,)``: ``(count, n)``."""

    @abstractmethod
    def log_prob(self, actions: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        """Return the log-density of actions, shape ``(...)``.

        Args:
            actions: Samples, shape ``(..., n)``.
            mean: Mean actions, shape ``(..., n)``.
            scale: Factor on the standard deviations, shape ``(...)``.
        """

    @abstractmethod
    def valid(self, actions: Tensor) -> Tensor:
        """Return which rows of ``(m, n)`` may be rewarded, shape ``(m,)``."""

    def divergence(self, old: Tensor, new: Tensor, scale: Tensor) -> Tensor:
        """Return KL(old || new) of two means, exactly; shape ``(...)``.

        Both are Gaussian with one covariance, so the KL is the drop of the
        log-density at the old mean.
        """
        return self.log_prob(old, old, scale) - self.log_prob(old, new, scale)


class GaussianExploration(Exploration):
    """The paper's: independent noise on the weights themselves (Eq. 2).

    Args:
        sigma: Standard deviation. Defaults to 0.2.
    """

    def __init__(self, sigma: float = 0.2) -> None:
        self.sigma = check_number('sigma', sigma, 0, above=True)

    def sample(
        self,
        mean: Tensor,
        count: int,
        scale: float,
        generator: Generator,
    ) -> Tensor:
        """Draw independent actions."""
        noise = torch.randn(
            count, len(mean), dtype=mean.dtype, generator=generator
        )
        return mean + self.sigma * scale * noise

    def log_prob(self, actions: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        """Return the log-density of the unclamped samples."""
        return gaussian_log_density(actions - mean, self.sigma * scale)

    def valid(self, actions: Tensor) -> Tensor:
        """Return which samples hold no negative weight."""
        return (actions >= 0).all(-1)


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
        """Return the log-density of the centred log-factors."""
        means = (actions - mean) @ self._members.T / self._members.sum(-1)
        factors = means - means.mean(-1, keepdim=True)
        basis = centred_basis(len(self._members))
        return gaussian_log_density(factors @ basis.T, self.sigma * scale)

    def valid(self, actions: Tensor) -> Tensor:
        """Return True for all: every sample gives positive weights."""
        return torch.ones(len(actions), dtype=torch.bool)


def gaussian_log_density(offsets: Tensor, sigma: Tensor) -> Tensor:
    """Return the log-density of independent Gaussians (Eq. 2).

    Args:
        offsets: Unclamped samples minus their means, shape ``(..., n)``.
        sigma: Standard deviation of every dimension, shape ``(...)``.

    Returns:
        The log-density summed over dimensions, shape ``(...)``.
    """
    squares = offsets.square().sum(-1) / sigma.square()
    constant = sigma.log() + 0.5 * math.log(2 * math.pi)
    return -0.5 * squares - offsets.shape[-1] * constant


def antithetic(offsets: Tensor, count: int) -> Tensor:
    """Mirror offsets into pairs ``d, -d``; an odd one out is no offset.

    The pairs cancel whatever is common to both sides. The odd sample is the
    mean itself, so that one replica always trains with the policy's own
    weights.

    Args:
        offsets: Offsets d, shape ``(count // 2, n)``.
        count: Number m of rows wanted.

    Returns:
        Offsets in the order ``d_1, -d_1, d_2, ...``, shape ``(m, n)``.
    """
    paired = torch.stack([offsets, -offsets], 1).flatten(0, 1)
    alone = offsets.new_zeros(count - len(paired), offsets.shape[-1])
    return torch.cat([paired, alone])


def spread_out(noise: Tensor) -> Tensor:
    """Make rows orthogonal as far as there are dimensions.

    Each row keeps its length, and by symmetry its distribution; directions
    at right angles say more about a slope than those that chance to agree.

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
