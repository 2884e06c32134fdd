"""The losses of a batch just trained, after the optimizer's step."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor

from mmada.engine.probe import raw_losses
from mmada.models import LossWeightWrapper
from mmada.utils.seeding import RngState, capture_rng, restore_rng


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
        counts = optim_wrapper._accumulative_counts
        if counts > 1:
            raise ValueError(
                f'`optim_wrapper.accumulative_counts` is {counts}; expected '
                '1, since this weighting compares the losses of every batch '
                'before and after a step.'
            )
        self.model = model
        self.optim_wrapper = optim_wrapper
        self._state: RngState | None = None

    def remember(self) -> None:
        """Keeps the generators' states; called before an iteration."""
        self._state = capture_rng()

    @torch.no_grad()
    def losses(self, batch: Any) -> dict[str, Tensor]:
        """Returns the raw losses of the iteration's batch by name."""
        assert self._state is not None
        buffers = {n: b.clone() for n, b in self.model.named_buffers()}
        now = capture_rng()
        restore_rng(self._state)
        losses = raw_losses(self.model, self.optim_wrapper, batch)
        restore_rng(now)
        for name, buffer in self.model.named_buffers():
            buffer.copy_(buffers[name])
        return losses
