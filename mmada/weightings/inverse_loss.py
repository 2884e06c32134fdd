"""Inverse-loss weighting: what a policy starts from, without learning."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from torch import Tensor

from mmada.policies.ensemble import WEIGHT_FLOOR
from mmada.policies.policy import centred_log, mean_one_weights
from mmada.utils.checks import check_number, check_numbers, check_vector
from mmada.weightings.base import Weighting


def inverse_loss_weights(losses: Tensor, exponent: float = 1.0) -> Tensor:
    """Weigh each loss by ``l^-exponent``, normalised to mean 1.

    With exponent 1 the gradient has the direction of that of the geometric
    mean of the losses, known as GLS (arXiv 1904.08492); 0 gives all ones.

    Args:
        losses: Raw losses, floored before dividing, shape ``(..., n)``; see
            :func:`~mmada.policies.policy.floored`.
        exponent: Exponent. Defaults to 1.

    Returns:
        Weights of mean 1, shape ``(..., n)``.
    """
    return mean_one_weights(-exponent * centred_log(losses))


class InverseLossWeighting(Weighting):
    """Inverse-loss weighting, computed anew from every epoch's losses.

    An objective that was never measured counts as one whose loss is the
    geometric mean of the others.

    Args:
        exponent: Exponent of the inverse, in [0, 1]. Defaults to 1.
        floor: Smallest weight. Defaults to 1e-3.
        factors: A factor on each weight, before they are normalised. Defaults
            to None, all 1.

    Raises:
        ValueError: If an option is out of range.
    """

    def __init__(
        self,
        exponent: float = 1.0,
        floor: float = WEIGHT_FLOOR,
        factors: Sequence[float] | None = None,
    ) -> None:
        self.exponent = check_number('exponent', exponent, 0, 1)
        self.compares_losses = self.exponent > 0
        self.floor = check_number('floor', floor, 0, 1, above=True)
        self.factors = (
            None
            if factors is None
            else check_numbers('factors', factors, low=0, exclusive=True)
        )
        self._warned = False

    def weights(self, epoch: int, num_epochs: int, losses: Tensor) -> Tensor:
        """Return weights for the last losses; see :class:`Weighting`."""
        losses = check_vector('losses', losses, losses.numel())
        self.check_losses(losses)
        weights = inverse_loss_weights(losses, self.exponent)
        if self.factors is not None:
            factors = check_vector('factors', self.factors, losses.numel())
            weights = mean_one_weights((factors * weights).log())
        self._warn_of_floor(weights)
        return weights.clamp(min=self.floor)

    def _warn_of_floor(self, weights: Tensor) -> None:
        """Warn once of losses that the smallest one switches off."""
        if self._warned or not (weights < self.floor).any():
            return
        self._warned = True
        names = self.names or range(weights.numel())
        low, high = names[weights.argmin()], names[weights.argmax()]
        warnings.warn(
            f'The weight of {low} would be {weights.min():.3g}, which the '
            f'floor raises to {self.floor:g}: that loss is all but switched '
            f'off, since {high} is so much smaller. Leave a loss that is '
            'meant to be small out of `objectives`.',
            stacklevel=2,
        )
