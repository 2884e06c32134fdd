"""The interface of what weights the losses of a single training run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from torch import Tensor


class Weighting(ABC):
    """Gives the weights of every epoch of one training run.

    Attributes:
        needs_losses: Whether the weights of the first epoch depend on l^1;
            if not, a run may leave out the pseudo epoch that measures it.
    """

    needs_losses: ClassVar[bool] = True

    @abstractmethod
    def weights(self, epoch: int, num_epochs: int, losses: Tensor) -> Tensor:
        """Return the weights to train an epoch with.

        Args:
            epoch: The epoch e that is about to be trained, from 1 to E.
            num_epochs: Number E of epochs of the run.
            losses: Raw mean losses l^e, shape ``(n,)``: of epoch e - 1, and
                for e = 1 those of the pseudo epoch; NaN if not measured.

        Returns:
            Positive weights, float64, shape ``(n,)``. In the paper's
            notation this is lambda^(e+1), since Algorithm 1 counts the
            pseudo epoch's weights as the first.
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
