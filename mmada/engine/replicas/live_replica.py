"""The one live model of a process, which plays each replica in turn.

A replica is a snapshot of it: captured, restored, fingerprinted, and
compared between ranks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor

from mmada.engine.distributed import Channel
from mmada.engine.mmengine_adapters import end_scaled_step
from mmada.engine.replicas.buffers import Buffers
from mmada.engine.replicas.plain_data import clone_nested
from mmada.engine.replicas.plain_state import PlainState
from mmada.engine.state import StoredPart
from mmada.models import inner_model

Snapshot = dict[str, Any]
KeptSnapshot = Snapshot | StoredPart
"""One in memory, or one on the disk that is read where it is needed."""


@dataclass
class LiveReplica:
    """Model, optimizer and schedulers; a snapshot of them is a replica.

    Attributes:
        model: The model, may be inside a model wrapper.
        optim_wrapper: Its optimizer wrapper.
        schedulers: Parameter schedulers of that wrapper.
        attributes: What else a training changes, of the model and of hooks;
            None for the model's, as they are now.
    """

    model: Any  # torch's stubs take every attribute of a Module for a Tensor
    optim_wrapper: OptimWrapper
    schedulers: list[Any] = field(default_factory=list)
    attributes: PlainState = field(default=None)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        # A module that is registered once more would change the names.
        self._parameters = dict(self.module.named_parameters())
        self._buffers = Buffers(self.module)
        if self.attributes is None:
            self.attributes = PlainState(self.module)

    @property
    def module(self) -> Any:
        """The model without wrapper: names that do not depend on ranks."""
        return inner_model(self.model)

    def capture(self, device: str | None = None) -> Snapshot:
        """Copy parameters, all buffers, optimizer, schedulers and the rest.

        Args:
            device: Where the copies are; None for where each tensor is.

        Raises:
            ValueError: If an attribute has changed to what no snapshot can
                hold.
        """
        # Absent where nothing differs, as in states of early versions.
        changed = self.attributes.difference()
        rest = dict(attributes=changed) if changed else {}
        return clone_nested(
            dict(
                parameters=self._parameters,
                buffers=self._buffers.named(),
                optimizer=self.optim_wrapper.state_dict(),
                schedulers=[_data_of(s) for s in self.schedulers],
                **rest,
            ),
            device,
        )

    def adopt(self, snapshot: KeptSnapshot) -> KeptSnapshot:
        """Return a snapshot of an earlier version in the present names.

        Up to version 0.1.0 the detector was a module inside the weighted
        model, and each name began with that of the module. Then all
        snapshots were loaded into memory.

        Raises:
            ValueError: If it is of another model.
        """
        if isinstance(snapshot, StoredPart):
            content = snapshot.load()
            self._check_parameters(content['parameters'])
            self._check_attributes(content.get('attributes', {}))
            self._check_schedulers(content['schedulers'])
            return snapshot
        names = {name for name, _ in self.module.named_parameters()}
        stored = snapshot['parameters']
        if {f'detector.{name}' for name in names} != set(stored):
            self._check_parameters(stored)
            return snapshot
        parts = {
            key: {
                name.removeprefix('detector.'): tensor
                for name, tensor in snapshot[key].items()
            }
            for key in ('parameters', 'buffers')
        }
        return {**snapshot, **parts}

    def _check_parameters(self, stored: Mapping[str, Tensor]) -> None:
        ours = dict(self.module.named_parameters())
        differences = [
            f'{name} ({_shape(stored, name)}, in the config '
            f'{_shape(ours, name)})'
            for name in sorted(stored.keys() | ours.keys())
            if _shape(stored, name) != _shape(ours, name)
        ]
        if differences:
            more = len(differences) - _SHOWN
            raise ValueError(
                '`model` should be that of the states, to be resumed. Found '
                f'other parameters: {", ".join(differences[:_SHOWN])}'
                + (f' and {more} more' if more > 0 else '')
                + '. Resume with its settings, or choose another `work_dir`.'
            )

    def _check_attributes(self, stored: dict[str, Any]) -> None:
        unknown = self.attributes.unknown(stored)
        if unknown:
            raise ValueError(
                '`model` and `custom_hooks` should be those of the states, to '
                'be resumed. Found nothing to put the stored state of '
                f'{", ".join(map(repr, unknown[:_SHOWN]))} into. Resume with '
                'its settings, or choose another `work_dir`.'
            )

    def _check_schedulers(self, stored: Sequence[Any]) -> None:
        if len(stored) != len(self.schedulers):
            raise ValueError(
                '`param_scheduler` should be that of the states, to be '
                f'resumed, with {len(stored)} schedule(s). Found '
                f'{len(self.schedulers)}. Resume with its settings, or choose '
                'another `work_dir`.'
            )

    def restore(self, kept: KeptSnapshot) -> None:
        """Put a snapshot back; the snapshot stays as it is."""
        # What goes makes room before a snapshot is read or copied.
        self.optim_wrapper.zero_grad(set_to_none=True)
        self.optim_wrapper.optimizer.state.clear()
        snapshot = loaded(kept)
        self.restore_model(snapshot)
        end_scaled_step(self.optim_wrapper)
        self.optim_wrapper.load_state_dict(clone_nested(snapshot['optimizer']))
        for scheduler, state in zip(
            self.schedulers, snapshot['schedulers'], strict=True
        ):
            scheduler.load_state_dict(clone_nested(state))

    @torch.no_grad()
    def restore_model(self, snapshot: Snapshot) -> None:
        """Put back parameters, buffers and attributes alone."""
        for name, parameter in self._parameters.items():
            parameter.copy_(snapshot['parameters'][name])
        self._buffers.restore(snapshot['buffers'])
        self.attributes.restore(snapshot.get('attributes', {}))

    def step_schedulers(self, epoch_ends: bool) -> None:
        """Step the schedulers after an iteration."""
        for scheduler in self.schedulers:
            if not scheduler.by_epoch or epoch_ends:
                scheduler.step()

    def is_finite(self) -> bool:
        """Return whether all parameters and buffers are finite."""
        tensors = [*self.model.parameters(), *self.model.buffers()]
        return all(
            bool(torch.isfinite(t).all())
            for t in tensors
            if t.is_floating_point()
        )


def loaded(kept: KeptSnapshot) -> Snapshot:
    """Return a snapshot in memory, for as long as the caller keeps it."""
    snapshot: Snapshot = kept.load() if isinstance(kept, StoredPart) else kept
    return snapshot


def digest(value: Any) -> str:
    """Return the SHA-256 of a nested value, equal only if every bit is.

    Args:
        value: Nested dicts, lists and tuples of tensors, numbers, strings
            and None; a stored part counts as what is in it. Tensors count by
            type, shape and bytes, not by device; the order of a dict's keys
            counts.
    """
    found = hashlib.sha256()
    _add(value, found)
    return found.hexdigest()


def digests(value: Any, name: str = '') -> dict[str, str]:
    """Return the digest of each leaf of nested dicts, by dotted name."""
    value = loaded(value)
    if not isinstance(value, dict):
        return {name: digest(value)}
    return {
        path: found
        for key, item in value.items()
        for path, found in digests(item, f'{name}.{key}'.strip('.')).items()
    }


def _add(value: Any, found: Any) -> None:
    value = loaded(value)
    if isinstance(value, Tensor):
        found.update(f'{value.dtype} {tuple(value.shape)}'.encode())
        flat = value.detach().cpu().contiguous().flatten()
        found.update(flat.view(torch.uint8).numpy())
    elif isinstance(value, dict):
        found.update(f'dict {len(value)}'.encode())
        for key, item in value.items():
            found.update(repr(key).encode())
            _add(item, found)
    elif isinstance(value, (list, tuple)):
        found.update(f'sequence {len(value)}'.encode())
        for item in value:
            _add(item, found)
    else:
        found.update(repr(value).encode())


class ReplicaError(RuntimeError):
    """A replica failed for another reason than a loss that diverged."""


def check_equal(channel: Channel, snapshot: Any) -> str:
    """Check that all ranks hold the same snapshot, bit by bit.

    Args:
        channel: Between the ranks.
        snapshot: This rank's, or nested dicts of several.

    Returns:
        Its digest, in hexadecimal digits.

    Raises:
        ReplicaError: If they differ, on all ranks, naming the first
            difference.
    """
    own = digest(snapshot)
    found = channel.gather(own, _comparing)
    if len(set(found)) > 1:
        parts = channel.gather(digests(snapshot), _comparing)
        rank, name = _first_difference(parts)
        raise ReplicaError(
            f'Ranks 0 and {rank} do not hold the same state; the first '
            f'difference is in {name}.'
        )
    return own


def _comparing(rank: int) -> str:
    return 'a comparison'


def _first_difference(parts: Sequence[dict[str, str]]) -> tuple[int, str]:
    """Return rank and name of the first leaf that differs from rank 0's."""
    return next(
        (rank, name)
        for rank, part in enumerate(parts)
        for name in {**parts[0], **part}
        if parts[0].get(name) != part.get(name)
    )


_SHOWN = 4
"""Parameters that a message names."""


def _data_of(scheduler: Any) -> dict[str, Any]:
    """Return a scheduler's state without functions, which it makes itself."""
    state: dict[str, Any] = scheduler.state_dict()
    return {k: value for k, value in state.items() if not callable(value)}


def _shape(tensors: Mapping[str, Tensor], name: str) -> str:
    if name not in tensors:
        return 'none'
    return 'x'.join(map(str, tensors[name].shape)) or 'a number'
