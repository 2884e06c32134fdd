"""The best action of a search, for methods that end with it."""

from __future__ import annotations

from torch import Tensor

from mmada.controllers.rounds import NOTHING_FOUND


class BestAction:
    """Keeps the action with the largest metric, the first on a tie."""

    def __init__(self) -> None:
        self._known: dict[str, Tensor] = {}

    def note(self, action: Tensor, metric: Tensor) -> None:
        """Keep an action if its finite metric is the largest so far."""
        if not self._known or metric > self._known['metric']:
            self._known = dict(action=action.clone(), metric=metric.clone())

    @property
    def action(self) -> Tensor:
        """The action.

        Raises:
            RuntimeError: If none was noted yet.
        """
        return self._get('action')

    @property
    def metric(self) -> float:
        """Its metric.

        Raises:
            RuntimeError: If none was noted yet.
        """
        return float(self._get('metric'))

    def _get(self, name: str) -> Tensor:
        if not self._known:
            raise RuntimeError(NOTHING_FOUND)
        return self._known[name].clone()

    def state_dict(self) -> dict[str, Tensor]:
        """Return what is known."""
        return dict(self._known)

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take over a state made by :meth:`state_dict`."""
        self._known = dict(state)
