"""Adam on a vector of which some entries may have no gradient."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam


class MaskedAdam:
    """A learned vector, one entry an objective.

    An objective that is absent from an iteration keeps its entry, and the
    moments behind it, as they are; with one parameter for all Adam would
    move it on by momentum and decay.

    Args:
        size: Number n of entries, zero at first.
        lr: Learning rate.
        weight_decay: Factor of the decay, added to the gradient.
    """

    def __init__(
        self, size: int, lr: float, weight_decay: float = 0.0
    ) -> None:
        self._entries = [
            torch.zeros((), dtype=torch.float64, requires_grad=True)
            for _ in range(size)
        ]
        self._adam = Adam(self._entries, lr=lr, weight_decay=weight_decay)

    @property
    def values(self) -> Tensor:
        """The entries, shape ``(n,)``."""
        return torch.stack([entry.detach() for entry in self._entries])

    def step(self, gradient: Tensor) -> None:
        """Step against a gradient, shape ``(n,)``; NaN where there is none."""
        for entry, slope in zip(self._entries, gradient, strict=True):
            entry.grad = None if bool(slope.isnan()) else slope.clone()
        self._adam.step()

    def state_dict(self) -> dict[str, Any]:
        """Return the entries and Adam's moments."""
        moments = self._adam.state_dict()['state']
        return dict(values=self.values, moments=copy.deepcopy(moments))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state; options stay those given."""
        with torch.no_grad():
            for entry, value in zip(
                self._entries, state['values'], strict=True
            ):
                entry.copy_(value)
        groups = self._adam.state_dict()['param_groups']
        moments = copy.deepcopy(state['moments'])
        self._adam.load_state_dict(dict(state=moments, param_groups=groups))
