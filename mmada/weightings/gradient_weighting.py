"""The interface of what weighs objectives by their gradients."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor


class GradientWeighting(ABC):
    """Gives the weights of single iterations from gradients of the trunk."""

    @abstractmethod
    def weights(self, losses: Tensor, gradients: Tensor) -> Tensor:
        """Return the weights to train this very iteration with.

        Args:
            losses: Raw losses of the iteration, shape ``(n,)``.
            gradients: Gradient of each raw loss with respect to the shared
                parameters, shape ``(n, p)``. A row of zeros is an objective
                that has nothing to say, such as boxes in an image without.

        Returns:
            Positive weights, float64 on the CPU, shape ``(n,)``.
        """

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs; nothing by default."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state made by :meth:`state_dict`.

        Raises:
            ValueError: If there is a state and this weighting keeps none.
        """
        if state:
            raise ValueError(
                f'{type(self).__name__} keeps no state. Found {sorted(state)}.'
            )
