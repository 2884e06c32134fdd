"""The interface of what changes the loss weights at every iteration."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor


class StepWeighting(ABC):
    """Gives the weights of every iteration of one training run.

    For each iteration the methods are called in this order: `weights`;
    with the losses of the forward pass `weights_by_losses`, if wanted; after
    the step `observe`, and, if wanted, `observe_after_step`. On several
    ranks all see the same losses, so that all hold the same weights.

    Attributes:
        needs_losses: Whether `observe` is to be called.
        weighs_by_losses: Whether the weights depend on the losses of the
            very iteration; `weights_by_losses` then gives them, between the
            forward and the backward pass.
        needs_losses_after_step: Whether `observe_after_step` is to be
            called. It costs a forward pass.
    """

    needs_losses: ClassVar[bool] = False
    weighs_by_losses: ClassVar[bool] = False
    needs_losses_after_step: ClassVar[bool] = False

    def begin(self, names: Sequence[str]) -> None:
        """Learn the objectives, once, before anything else is called.

        Args:
            names: Names of the n objectives, in their order.
        """
        self.names = tuple(names)

    @abstractmethod
    def weights(self, step: int, num_steps: int) -> Tensor:
        """Return the weights to train an iteration with.

        Args:
            step: Iterations done, from 0 to N - 1.
            num_steps: Number N of iterations of the run.

        Returns:
            Weights >= 0, float64, shape ``(n,)``.
        """

    def weights_by_losses(self, losses: Tensor) -> Tensor:
        """Return the weights of this iteration, now that it has losses.

        Args:
            losses: Raw losses, float64, shape ``(n,)``; NaN where an
                objective is absent.

        Returns:
            Weights >= 0, float64, shape ``(n,)``.
        """
        raise NotImplementedError

    def observe(self, losses: Tensor) -> None:
        """Take note of the losses of the iteration just done.

        Args:
            losses: As they were before its step; see `weights_by_losses`.
        """
        raise NotImplementedError

    def observe_after_step(self, losses: Tensor) -> None:
        """Take note of the losses of the same batch after the step."""
        raise NotImplementedError

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
