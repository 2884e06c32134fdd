"""Dynamic weight average: more for losses that fall slowly."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from mmada.utils.checks import check_number, check_vector
from mmada.utils.measurements import measured
from mmada.weightings.base import Weighting


def dynamic_average_weights(
    last: Tensor,
    before: Tensor,
    temperature: float,
    max_ratio: float = math.inf,
) -> Tensor:
    """Return ``n softmax(r / T)`` with ``r = last / before``.

    Where one of both is no measurement, r is 1: how fast that loss falls is
    not known.

    Args:
        last: Mean losses of the last epoch, shape ``(n,)``.
        before: Those of the epoch before it.
        temperature: T; the larger, the closer are the weights to 1.
        max_ratio: Largest r.
    """
    known = measured(last) & measured(before)
    ratios = torch.where(known, last / before, 1.0).clamp(max=max_ratio)
    return len(ratios) * (ratios / temperature).softmax(0)


class DynamicWeightAverage(Weighting):
    """Dynamic weight average, DWA (Liu et al., CVPR 2019, 1803.10704).

    The weights of an epoch come from the mean losses of the two epochs
    before it; the first two are trained with ones.

    Args:
        temperature: T; the paper's is 2.
        max_ratio: Largest ratio of a loss to that of the epoch before. The
            paper has no limit, and a training seldom reaches this one; but a
            loss that had hardly a target in one epoch rises a thousandfold in
            the next, which would take all weight from the others.

    Raises:
        ValueError: If the temperature is not positive, or the ratio below 1.
    """

    needs_losses = False
    compares_losses = True
    first_weights = 3

    def __init__(
        self, temperature: float = 2.0, max_ratio: float = 4.0
    ) -> None:
        self.temperature = check_number(
            'temperature', temperature, 0, above=True
        )
        self.max_ratio = check_number('max_ratio', max_ratio, 1)
        self._losses: dict[int, Tensor] = {}

    def weights(self, epoch: int, num_epochs: int, losses: Tensor) -> Tensor:
        """Return weights for the last losses; see :class:`Weighting`."""
        losses = check_vector('losses', losses, losses.numel())
        self.check_losses(losses)
        if epoch > 1 and bool(measured(losses).any()):
            self._losses[epoch - 1] = losses
        last, before = (self._losses.get(epoch - k) for k in (1, 2))
        self._losses = {} if last is None else {epoch - 1: last}
        if last is None or before is None:
            return torch.ones_like(losses)
        return dynamic_average_weights(
            last, before, self.temperature, self.max_ratio
        )

    def state_dict(self) -> dict[str, Any]:
        """Return the losses of the last epoch that weights were asked for."""
        return dict(losses={k: v.clone() for k, v in self._losses.items()})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state made by :meth:`state_dict`."""
        self._losses = dict(state['losses'])
