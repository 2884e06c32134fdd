"""Uncertainty weighting: the weights are learned beside the network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mmada.utils.checks import check_number
from mmada.utils.measurements import measured
from mmada.weightings.base import StepWeighting
from mmada.weightings.masked_adam import MaskedAdam


class UncertaintyWeighting(StepWeighting):
    r"""Uncertainty weighting (Kendall et al., CVPR 2018, arXiv 1705.07115).

    .. math:: \min_{\theta, s} \sum_i e^{-s_i} L_i + s_i, \quad w_i = e^{-s_i}

    with :math:`s_i = \log \sigma_i^2`. This is twice the paper's loss of a
    regression, :math:`L / 2 \sigma^2 + \log \sigma`; the factor 1/2 in front
    of all is the learning rate's affair. For a classification the paper has
    :math:`L / \sigma^2 + \log \sigma`, that is, half of the added term;
    here all objectives are treated alike. For losses that do not change,
    the weights end at 1 / L.

    A step of s_i has the gradient :math:`1 - e^{-s_i} L_i` of the
    iteration's loss, taken at the same time as the step of the network, as
    if both were parameters of one optimizer. The terms :math:`s_i` do not
    enter the `loss` of the log.

    Args:
        lr: Learning rate of Adam for s.

    Raises:
        ValueError: If the rate is not positive.
    """

    needs_losses = True
    compares_losses = True

    def __init__(self, lr: float = 0.01) -> None:
        self.lr = check_number('lr', lr, 0, above=True)

    def begin(self, names: Sequence[str]) -> None:
        """Start from weights of 1."""
        super().begin(names)
        self._log_variances = MaskedAdam(len(names), self.lr)

    def weights(self, step: int, num_steps: int) -> Tensor:
        """Return what was learned so far; see :class:`StepWeighting`."""
        return torch.exp(-self._log_variances.values)

    def observe(self, losses: Tensor) -> None:
        """Learn from the losses of an iteration.

        Nothing is learned where one is no measurement.

        Raises:
            ValueError: If a loss is negative: its weight would never end.
        """
        self.check_losses(losses)
        weights = torch.exp(-self._log_variances.values)
        gradient = 1 - weights * losses
        self._log_variances.step(gradient.where(measured(losses), torch.nan))

    def state_dict(self) -> dict[str, Any]:
        """Return s and the moments of its optimizer."""
        return self._log_variances.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state made by :meth:`state_dict`."""
        self._log_variances.load_state_dict(state)
