"""FAMO: equal progress of all losses, without their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mmada.utils.checks import check_number
from mmada.utils.measurements import known_losses
from mmada.weightings.base import StepWeighting
from mmada.weightings.masked_adam import MaskedAdam

_EPS = 1e-8  # the authors' code adds it to every loss


class Famo(StepWeighting):
    r"""FAMO (Liu et al., NeurIPS 2023, arXiv 2306.03792).

    .. math:: w_i = S \frac{z_i / L_i}{\sum_j z_j / L_j}, \quad
        z = \mathrm{softmax}(\xi)

    where :math:`\xi` takes Adam's steps along the change of the log-losses
    of the same batch by the network's step, so that a loss that falls slowly
    gets more. Losses are taken from zero, as the authors do where the least
    possible loss is unknown. An objective that is absent from an iteration,
    or has a loss of 0 as detectors do in images without boxes, has no part
    in it: sums and softmax run over the others.

    Args:
        lr: Learning rate of :math:`\xi`, the authors' by default.
        decay: Weight decay of :math:`\xi`, the authors' by default.
        total: Sum S of the weights; the paper's is 1. None for n, so that
            their mean is 1: the learning rate keeps its meaning, and losses
            of no objective their share. A state from before that goes on
            with 1.

    Raises:
        ValueError: If an option is out of range.
    """

    needs_losses = True
    weighs_by_losses = True
    needs_losses_after_step = True
    compares_losses = True

    def __init__(
        self,
        lr: float = 0.025,
        decay: float = 0.01,
        total: float | None = None,
    ) -> None:
        self.lr = check_number('lr', lr, 0, above=True)
        self.decay = check_number('decay', decay, 0)
        self._given = (
            None
            if total is None
            else check_number('total', total, 0, above=True)
        )

    def begin(self, names: Sequence[str]) -> None:
        """Start from equal logits."""
        super().begin(names)
        self.total = float(len(names)) if self._given is None else self._given
        self._logits = MaskedAdam(len(names), self.lr, self.decay)
        self._before = torch.full((len(names),), torch.nan).double()

    def weights(self, step: int, num_steps: int) -> Tensor:
        """Return the weights if all losses were equal."""
        return self.total * self._logits.values.softmax(0)

    def weights_by_losses(self, losses: Tensor) -> Tensor:
        """Return the weights; absent objectives have one of 0.

        Raises:
            ValueError: If a loss is negative.
        """
        losses = self._usable(losses)
        shares = _shares(self._logits.values, losses) / (losses + _EPS)
        weights = self.total * shares / shares.nansum()
        return weights.nan_to_num(0.0)

    def observe(self, losses: Tensor) -> None:
        """Keep the losses for `observe_after_step`."""
        self._before = self._usable(losses)

    def observe_after_step(self, losses: Tensor) -> None:
        """Learn from the change of the log-losses."""
        after = self._usable(losses)
        change = (self._before + _EPS).log() - (after + _EPS).log()
        # The gradient of sum_i change_i z_i in the logits.
        shares = _shares(self._logits.values, change)
        mean = (shares * change).nansum()
        self._logits.step(shares * (change - mean))

    def state_dict(self) -> dict[str, Any]:
        """Return the logits, the moments of their optimizer and the sum."""
        return dict(**self._logits.state_dict(), total=self.total)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state made by :meth:`state_dict`; a given sum stays."""
        if self._given is None:
            self.total = state.get('total', 1.0)
        self._logits.load_state_dict(state)

    def _usable(self, losses: Tensor) -> Tensor:
        """Return the losses, NaN where one has no logarithm."""
        self.check_losses(losses)
        return known_losses(losses)


def _shares(logits: Tensor, values: Tensor) -> Tensor:
    """Return the softmax over what has a value; NaN for the others."""
    absent = values.isnan()
    shares = logits.masked_fill(absent, -torch.inf).softmax(0)
    return shares.masked_fill(absent, torch.nan)
