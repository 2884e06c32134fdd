"""Exploration: how m actions are drawn around a policy's mean action.

Notation: m replicas, n objectives; log-densities broadcast over leading
dimensions, written ``(..., n)``. A ``scale`` multiplies every standard
deviation; a controller lowers it for a while after a failed round.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import Generator, Tensor

from mmada.controllers.checks import check_number
from mmada.controllers.policies import centred_log


def gaussian_log_density(offsets: Tensor, sigma: Tensor) -> Tensor:
    """Log-density of independent Gaussians (Ada-Segment, Eq. 2).

    Args:
        offsets: Unclamped samples minus their means, shape ``(..., n)``.
        sigma: Standard deviation of every dimension, shape ``(...)``.

    Returns:
        The log-density summed over dimensions, shape ``(...)``.
    """
    squares = offsets.square().sum(-1) / sigma.square()
    constant = sigma.log() + 0.5 * math.log(2 * math.pi)
    return -0.5 * squares - offsets.shape[-1] * constant


def stretched_log_density(
    offsets: Tensor, direction: Tensor, sigma: Tensor, sigma_x: Tensor
) -> Tensor:
    """Log-density of a centred Gaussian that is stretched along a vector.

    The covariance is ``sigma^2 P + sigma_x^2 x x^T``, where P projects on
    the vectors of sum zero: in that space of ``n - 1`` dimensions the
    inverse is Sherman and Morrison's and the determinant the lemma's.

    Args:
        offsets: Centred samples minus centred means, shape ``(..., n)``.
        direction: The centred vector x, shape ``(..., n)``.
        sigma: Standard deviation across x, shape ``(...)``.
        sigma_x: Standard deviation of the factor on x, shape ``(...)``.

    Returns:
        The log-density with respect to volume in that space, ``(...)``.
    """
    ratio = (sigma_x / sigma).square()
    stretch = 1 + ratio * direction.square().sum(-1)
    along = (offsets * direction).sum(-1)
    squares = offsets.square().sum(-1) - ratio * along.square() / stretch
    volume = (offsets.shape[-1] - 1) * (
        sigma.log() + 0.5 * math.log(2 * math.pi)
    ) + 0.5 * stretch.log()
    return -0.5 * squares / sigma.square() - volume


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


class Exploration(ABC):
    """A distribution of actions around a mean action."""

    @abstractmethod
    def sample(
        self,
        mean: Tensor,
        losses: Tensor,
        count: int,
        scale: float,
        generator: Generator,
    ) -> Tensor:
        """Draw ``count`` actions around a mean ``(n,)``: ``(count, n)``."""

    @abstractmethod
    def log_prob(
        self, actions: Tensor, mean: Tensor, losses: Tensor, scale: Tensor
    ) -> Tensor:
        """Log-density of actions, shape ``(...)``.

        Args:
            actions: Samples, shape ``(..., n)``.
            mean: Mean actions, shape ``(..., n)``.
            losses: Losses that the means were predicted from, ``(..., n)``.
            scale: Factor on the standard deviations, shape ``(...)``.
        """

    @abstractmethod
    def legal(self, actions: Tensor) -> Tensor:
        """Return which rows of ``(m, n)`` may be rewarded, shape ``(m,)``."""

    def divergence(
        self, old: Tensor, new: Tensor, losses: Tensor, scale: Tensor
    ) -> Tensor:
        """Return KL(old || new) of two means, exactly; shape ``(...)``.

        Both are Gaussian with one covariance, so the KL is the drop of the
        log-density at the old mean.
        """
        return self.log_prob(old, old, losses, scale) - self.log_prob(
            old, new, losses, scale
        )


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
        losses: Tensor,
        count: int,
        scale: float,
        generator: Generator,
    ) -> Tensor:
        """Draw independent actions; ``losses`` play no part."""
        noise = torch.randn(
            count, len(mean), dtype=mean.dtype, generator=generator
        )
        return mean + self.sigma * scale * noise

    def log_prob(
        self, actions: Tensor, mean: Tensor, losses: Tensor, scale: Tensor
    ) -> Tensor:
        """Log-density at the unclamped sample."""
        return gaussian_log_density(actions - mean, self.sigma * scale)

    def legal(self, actions: Tensor) -> Tensor:
        """A sample that holds a negative weight is not legal."""
        return (actions >= 0).all(-1)


class LogWeightExploration(Exploration):
    """Antithetic noise on centred log-weights, stretched along the losses.

    Noise that all log-weights share would not change weights of a fixed
    mean; it is left out, so that it cannot blur the policy's gradient. The
    stretch along the centred log-losses x moves the exponent of
    inverse-loss weighting, the direction in which losses of a wrong scale
    are corrected.

    Args:
        sigma: Standard deviation of each log-weight before centring.
            Defaults to 0.4.
        sigma_x: Standard deviation of the factor on x; 0 is no stretch.
            Defaults to 0.
    """

    def __init__(self, sigma: float = 0.4, sigma_x: float = 0.0) -> None:
        self.sigma = check_number('sigma', sigma, 0, above=True)
        self.sigma_x = check_number('sigma_x', sigma_x, 0)

    def sample(
        self,
        mean: Tensor,
        losses: Tensor,
        count: int,
        scale: float,
        generator: Generator,
    ) -> Tensor:
        """Draw antithetic pairs; with an odd count the last is the mean."""
        noise = torch.randn(
            count // 2, len(mean) + 1, dtype=mean.dtype, generator=generator
        )
        across = noise[:, 1:] - noise[:, 1:].mean(-1, keepdim=True)
        along = noise[:, :1] * centred_log(losses)
        offsets = scale * (self.sigma * across + self.sigma_x * along)
        return mean + antithetic(offsets, count)

    def log_prob(
        self, actions: Tensor, mean: Tensor, losses: Tensor, scale: Tensor
    ) -> Tensor:
        """Log-density in the space of centred log-weights."""
        return stretched_log_density(
            actions - mean,
            centred_log(losses),
            self.sigma * scale,
            self.sigma_x * scale,
        )

    def legal(self, actions: Tensor) -> Tensor:
        """Every sample gives positive weights."""
        return torch.ones(len(actions), dtype=torch.bool)
