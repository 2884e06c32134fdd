"""Dynamic weight average: more for losses that fall slowly."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mmada.utils.checks import check_losses, check_number
from mmada.weightings.base import Weighting


def dynamic_average_weights(
    last: Tensor, before: Tensor, temperature: float
) -> Tensor:
    """Return ``n softmax(r / T)`` with ``r = last / before``, 1 for 0 / 0.

    Args:
        last: Mean losses of the last epoch, shape ``(n,)``.
        before: Those of the epoch before it.
        temperature: T; the larger, the closer are the weights to 1.
    """
    # A loss that was zero was absent: how fast it falls is not known.
    ratios = torch.where(before > 0, last / before, 1.0)
    return len(ratios) * (ratios / temperature).softmax(0)


class DynamicWeightAverage(Weighting):
    """Dynamic weight average, DWA (Liu et al., CVPR 2019, 1803.10704).

    The weights of an epoch come from the mean losses of the two epochs
    before it; the first two are trained with ones.

    Args:
        temperature: T; the paper's is 2.

    Raises:
        ValueError: If the temperature is not positive.
    """

    needs_losses = False

    def __init__(self, temperature: float = 2.0) -> None:
        self.temperature = check_number(
            'temperature', temperature, 0, above=True
        )
        self._losses: dict[int, Tensor] = {}

    def weights(self, epoch: int, num_epochs: int, losses: Tensor) -> Tensor:
        """Return weights for the last losses; see :class:`Weighting`."""
        if epoch > 1 and not losses.isnan().any():
            self._losses[epoch - 1] = check_losses(losses, losses.numel())
        last, before = (self._losses.get(epoch - k) for k in (1, 2))
        self._losses = {} if last is None else {epoch - 1: last}
        if last is None or before is None:
            return torch.ones_like(losses, dtype=torch.float64)
        return dynamic_average_weights(last, before, self.temperature)

    def state_dict(self) -> dict[str, Any]:
        """Return the losses of the last epoch that weights were asked for."""
        return dict(losses={k: v.clone() for k, v in self._losses.items()})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state made by :meth:`state_dict`."""
        self._losses = dict(state['losses'])
