"""Sets the loss weights at every iteration of an ordinary training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from mmengine.registry import HOOKS
from torch import Tensor

from mmada.engine.hooks.weighting_hook import WeightingHook, warn_of_lag
from mmada.engine.mmengine_adapters import accumulated_iterations
from mmada.engine.probe import raw_losses
from mmada.engine.replicas.buffers import Buffers
from mmada.models import LossWeightWrapper, iteration_losses
from mmada.models.objectives import ObjectiveSpec
from mmada.utils.seeding import RngState, capture_rng, restore_rng
from mmada.weightings import StepWeighting


@HOOKS.register_module()
class StepWeightingHook(WeightingHook[StepWeighting]):
    """Sets the loss weights at every iteration of a training.

    The weighting sees the raw losses of every iteration, averaged over the
    ranks, so all ranks hold the same weights. There is no pseudo epoch.

    Once a period, at its end, the mean weights and the mean raw losses of
    its iterations go to `work_dir/weights.jsonl` and the weights to the
    visual backends. The weighting's state is in the checkpoints.

    Args:
        weighting: Config of a :class:`StepWeighting`.
        interval: Iterations of a period; None for an epoch.
        objectives: As in :class:`WeightingHook`.
    """

    weighting_type = StepWeighting

    def __init__(
        self,
        weighting: dict[str, Any],
        interval: int | None = None,
        objectives: ObjectiveSpec | None = None,
    ) -> None:
        super().__init__(weighting, interval, objectives)
        self._replay: BatchReplay | None = None
        self._losses: Tensor | None = None

    def build_weighting(self, runner: Any) -> StepWeighting:
        """Build the weighting from its config."""
        warn_of_lag(runner)
        weighting = super().build_weighting(runner)
        if weighting.weighs_by_losses:
            self.weights.reweigh = self._reweigh
        if weighting.needs_losses_after_step:
            self._replay = BatchReplay(self.model, runner.optim_wrapper)
        return weighting

    def before_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Set the weights."""
        super().before_train_iter(runner, batch_idx, data_batch)
        assert self.weighting is not None
        weights = self.weighting.weights(self.position, runner.max_iters)
        self.weights.set(weights)
        self._losses = None
        if self._replay is not None:
            self._replay.remember()

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Show the weighting the losses; publish where a period ends."""
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
        assert self.weighting is not None
        losses = self._losses_before_step(outputs)
        if self.weighting.needs_losses:
            self.weighting.observe(losses)
        if self._replay is not None:
            after = self._replay.losses(data_batch)
            self.weighting.observe_after_step(self._average(after))
        self.end_iteration(runner, losses, self.weighting.needs_losses)

    def _reweigh(self, losses: Mapping[int, Tensor]) -> Tensor:
        """Return the weights of this iteration, between its passes."""
        assert self.weighting is not None
        self._losses = iteration_losses(losses, len(self.weights.objectives))
        return self.weighting.weights_by_losses(self._losses)

    def _losses_before_step(self, outputs: Mapping[str, Tensor]) -> Tensor:
        assert self.weighting is not None
        if self._losses is not None:  # known since the forward pass
            return self._losses
        if self.weighting.needs_losses:
            return self._average(outputs)
        return torch.full((len(self.weights.objectives),), torch.nan).double()

    def _average(self, losses: Mapping[str, Tensor]) -> Tensor:
        objectives = self.weights.objectives
        return iteration_losses(objectives.reduce(losses), len(objectives))


class BatchReplay:
    """Looks at a batch a second time, with the same random numbers.

    Without gradients, but otherwise in the way of training: dropout and
    sampling draw what they drew in the iteration, so that the losses differ
    by the step alone. Generators and buffers are left as they were. It costs
    a forward pass, and no more memory than that of training had.

    Raises:
        ValueError: If the optimizer does not step in every iteration.
    """

    def __init__(
        self, model: LossWeightWrapper, optim_wrapper: OptimWrapper
    ) -> None:
        counts = accumulated_iterations(optim_wrapper)
        if counts > 1:
            raise ValueError(
                '`optim_wrapper.accumulative_counts` should be 1 for a '
                'weighting that compares the losses of every batch before '
                f'and after a step. Found {counts}.'
            )
        self.model = model
        self.optim_wrapper = optim_wrapper
        self._buffers = Buffers(model)
        self._state: RngState | None = None

    def remember(self) -> None:
        """Keep the generators' states; called before an iteration."""
        self._state = capture_rng()

    @torch.no_grad()
    def losses(self, batch: Any) -> dict[str, Tensor]:
        """Return the raw losses of the iteration's batch by name."""
        assert self._state is not None
        buffers = self._buffers.capture()
        now = capture_rng()
        restore_rng(self._state)
        losses = raw_losses(self.model, self.optim_wrapper, batch)
        restore_rng(now)
        self._buffers.restore(buffers)
        return losses
