"""Weights that no training run changes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mmada.utils.checks import check_positive
from mmada.weightings.base import Weighting


class StaticWeighting(Weighting):
    """The same weights in every epoch.

    Args:
        weights: Positive weights, one per objective.

    Raises:
        ValueError: If there are none, or one is not positive and finite.
    """

    needs_losses = False

    def __init__(self, weights: Sequence[float] | Tensor) -> None:
        try:
            vector = torch.as_tensor(weights, dtype=torch.float64)
        except (TypeError, ValueError, RuntimeError):
            raise ValueError(
                '`weights` should be numbers, one per objective. '
                f'Found {weights!r}.'
            ) from None
        if not vector.numel():
            raise ValueError(
                '`weights` should hold at least one number. Found none.'
            )
        self._weights = check_positive('weights', vector, vector.numel())

    def weights(self, epoch: int, num_epochs: int, losses: Tensor) -> Tensor:
        """Return the weights, whatever the epoch; see :class:`Weighting`."""
        return self._weights.clone()
