"""The interfaces of what weights the losses of a single training run.

:class:`Weighting` gives weights once an epoch, :class:`StepWeighting` at every
iteration from the losses, and :class:`GradientWeighting` at every iteration
from the gradients of the shared trunk.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor

from mmada.utils.measurements import check_not_negative


class BaseWeighting:
    """The state of a weighting, which goes into the checkpoints of a run.

    Losses that a weighting is given may be no measurements, see
    :func:`mmada.utils.measurements.measured`: an objective without one keeps
    its weight, or what it is known by.

    Attributes:
        compares_losses: Whether the weights depend on ratios or logarithms
            of losses, which are then refused if they are negative.
        names: Names of the n objectives, in their order.
    """

    compares_losses: bool = False
    names: tuple[str, ...] = ()

    def begin(self, names: Sequence[str]) -> None:
        """Learn the objectives, once, before anything else is called.

        Args:
            names: Names of the n objectives, in their order.
        """
        self.names = tuple(names)

    def check_losses(self, losses: Tensor) -> None:
        """Check raw losses of an iteration or a period, shape ``(n,)``.

        Raises:
            ValueError: If one is negative where losses are compared.
        """
        if self.compares_losses:
            check_not_negative(losses, self.names, type(self).__name__)

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


class Weighting(BaseWeighting, ABC):
    """Gives the weights of every epoch of one training run.

    Attributes:
        needs_losses: Whether the weights of the first epoch depend on l^1;
            if not, a run may leave out the pseudo epoch that measures it.
        first_weights: The first epoch whose weights are more than ones.
    """

    needs_losses: ClassVar[bool] = True
    first_weights: ClassVar[int] = 1

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


class StepWeighting(BaseWeighting, ABC):
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


class GradientWeighting(BaseWeighting, ABC):
    """Gives the weights of single iterations from gradients of the trunk.

    Attributes:
        needs_period: Whether the weights wait for the end of a period, so that
            a training of a single one would never see any.
    """

    needs_period: bool = False

    @abstractmethod
    def weights(self, losses: Tensor, gradients: Tensor) -> Tensor:
        """Return the weights to train this very iteration with.

        Args:
            losses: Raw losses of the iteration, shape ``(n,)``; NaN where
                one is no measurement.
            gradients: Gradient of each raw loss with respect to the shared
                parameters, shape ``(n, p)``. A row of zeros is an objective
                that has nothing to say, such as boxes in an image without.

        Returns:
            Positive weights, float64 on the CPU, shape ``(n,)``.
        """

    def end_period(self, losses: Tensor) -> None:
        """Take note of a period that has ended; nothing by default.

        Args:
            losses: Their means over its iterations, shape ``(n,)``; NaN where
                an objective had no measurement.
        """
