"""Uncertainty weighting: the weights are learned beside the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from mmada.policies.policy import mean_one_weights
from mmada.utils.checks import check_choice, check_number
from mmada.utils.measurements import measured
from mmada.weightings.base import StepWeighting
from mmada.weightings.masked_adam import MaskedAdam

_NORMALIZE: dict[str, Callable[[Tensor], Tensor]] = dict(
    mean=mean_one_weights, none=torch.exp
)
"""What turns log-weights into weights."""


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

    The weights grow as the losses fall, so that in the end they would train
    the trunk many times as fast. Divided by their mean they set the balance
    alone; with Adam for the network, whose steps do not depend on a common
    scale, that changes only what losses of no objective count against them.

    Args:
        lr: Learning rate of Adam for s.
        normalize: `'mean'` divides the weights by their mean, `'none'` hands
            them out as they are learned. A state from before this option
            goes on with `'none'`.

    Raises:
        ValueError: If an option is out of range.
    """

    needs_losses = True
    compares_losses = True

    def __init__(self, lr: float = 0.01, normalize: str = 'mean') -> None:
        self.lr = check_number('lr', lr, 0, above=True)
        self.normalize = check_choice('normalize', normalize, _NORMALIZE)

    def begin(self, names: Sequence[str]) -> None:
        """Start from weights of 1."""
        super().begin(names)
        self._log_variances = MaskedAdam(len(names), self.lr)

    def weights(self, step: int, num_steps: int) -> Tensor:
        """Return what was learned so far; see :class:`StepWeighting`."""
        return _NORMALIZE[self.normalize](-self._log_variances.values)

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
        """Return s, the moments of its optimizer and the normalisation."""
        return dict(
            **self._log_variances.state_dict(), normalize=self.normalize
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state made by :meth:`state_dict`.

        Raises:
            ValueError: If it was normalised otherwise.
        """
        stored = state.get('normalize')
        if stored not in (None, self.normalize):
            raise ValueError(
                f'`normalize` should be {stored!r}, which the state was made '
                f'with. Found {self.normalize!r}.'
            )
        self.normalize = stored or 'none'
        self._log_variances.load_state_dict(state)
