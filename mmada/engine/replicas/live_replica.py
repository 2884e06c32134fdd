"""The one live model of a process, which plays each replica in turn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor

Snapshot = dict[str, Any]


def clone_nested(value: Any) -> Any:
    """Copies nested dicts, lists and tuples, cloning each tensor.

    Optimizers hand out and take in their own tensors, so a snapshot that is
    not cloned both ways ties two replicas together.
    """
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, dict):
        return {k: clone_nested(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(clone_nested(v) for v in value)
    return value


@dataclass
class LiveReplica:
    """Model, optimizer and schedulers; a snapshot of them is a replica.

    Attributes:
        model: A LossWeightWrapper, or a model wrapper around one.
        optim_wrapper: Its optimizer wrapper.
        schedulers: Parameter schedulers of that wrapper.
    """

    model: Any  # torch's stubs take every attribute of a Module for a Tensor
    optim_wrapper: OptimWrapper
    schedulers: list[Any] = field(default_factory=list)

    @property
    def module(self) -> Any:
        """The model without wrapper: names that do not depend on ranks."""
        return getattr(self.model, 'module', self.model)

    def capture(self) -> Snapshot:
        """Copies parameters, all buffers, optimizer and schedulers."""
        return dict(
            parameters=_clone_named(self.module.named_parameters()),
            buffers=_clone_named(self.module.named_buffers()),
            optimizer=clone_nested(self.optim_wrapper.state_dict()),
            schedulers=[clone_nested(s.state_dict()) for s in self.schedulers],
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Puts a snapshot back; the snapshot stays as it is."""
        self.restore_model(snapshot)
        self.optim_wrapper.zero_grad(set_to_none=True)
        _end_scaled_step(self.optim_wrapper)
        self.optim_wrapper.load_state_dict(clone_nested(snapshot['optimizer']))
        for scheduler, state in zip(
            self.schedulers, snapshot['schedulers'], strict=True
        ):
            scheduler.load_state_dict(clone_nested(state))

    @torch.no_grad()
    def restore_model(self, snapshot: Snapshot) -> None:
        """Puts back parameters and buffers alone."""
        for name, parameter in self.module.named_parameters():
            parameter.copy_(snapshot['parameters'][name])
        for name, buffer in self.module.named_buffers():
            buffer.copy_(snapshot['buffers'][name])

    def step_schedulers(self, epoch_ends: bool) -> None:
        """Steps the schedulers after an iteration."""
        for scheduler in self.schedulers:
            if not scheduler.by_epoch or epoch_ends:
                scheduler.step()

    def is_finite(self) -> bool:
        """Tells whether all parameters and buffers are finite."""
        tensors = [*self.model.parameters(), *self.model.buffers()]
        return all(
            bool(torch.isfinite(t).all())
            for t in tensors
            if t.is_floating_point()
        )


def _end_scaled_step(optim_wrapper: OptimWrapper) -> None:
    """Ends a step that raised half-way, after gradients were unscaled.

    A GradScaler would refuse the next one; it has no public way to begin
    anew, and its state dict holds nothing of that.
    """
    scaler = getattr(optim_wrapper, 'loss_scaler', None)
    getattr(scaler, '_per_optimizer_states', {}).clear()


def _clone_named(named: Iterable[tuple[str, Tensor]]) -> dict[str, Tensor]:
    return {name: t.detach().clone() for name, t in named}
