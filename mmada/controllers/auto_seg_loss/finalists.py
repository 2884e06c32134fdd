"""The best actions of a search, which are trained a second time."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mmada.controllers.rewards import select_best


class Finalists:
    """The actions with the largest metrics so far.

    Args:
        count: How many.
        size: Numbers P in an action.
    """

    def __init__(self, count: int, size: int) -> None:
        self._count = count
        self._actions = torch.empty(0, size, dtype=torch.float64)
        self._metrics = torch.empty(0, dtype=torch.float64)

    def __len__(self) -> int:
        return len(self._metrics)

    def note(self, actions: Tensor, metrics: Tensor) -> None:
        """Keep the best of a round's actions ``(S, P)``, too."""
        finite = metrics.isfinite()
        actions = torch.cat([self._actions, actions[finite]])
        metrics = torch.cat([self._metrics, metrics[finite]])
        order = metrics.argsort(descending=True, stable=True)[: self._count]
        self._actions, self._metrics = actions[order], metrics[order]

    @property
    def actions(self) -> Tensor:
        """Those to train again, the first ones twice if there are few."""
        return self._actions[self._turns()]

    def best(self, again: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return the action whose two metrics have the largest mean.

        Args:
            again: Metrics of `actions` in the second training, ``(S,)``; an
                action without one is left out.

        Returns:
            The action and the mean; None if all are left out.
        """
        means = (self._metrics[self._turns()] + again) / 2
        best = select_best(means)
        return None if best < 0 else (self.actions[best], means[best])

    def _turns(self) -> Tensor:
        return torch.arange(self._count) % len(self)

    def state_dict(self) -> dict[str, Any]:
        """Return what is known."""
        return dict(actions=self._actions, metrics=self._metrics)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state made by :meth:`state_dict`."""
        self._actions, self._metrics = state['actions'], state['metrics']
