"""The buffers of a model, also those that a training makes or resizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn

from mmada.engine.replicas.plain_data import clone_nested


class Buffers:
    """Captures and restores buffers, by name.

    Args:
        module: The model; buffers that it has now stay registered.
    """

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._registered = {name for name, _, _ in self._places()}

    def named(self) -> dict[str, Tensor]:
        """Return the buffers by name, not copied."""
        return dict(self._module.named_buffers())

    def capture(self) -> dict[str, Tensor]:
        """Return copies."""
        found: dict[str, Tensor] = clone_nested(self.named())
        return found

    @torch.no_grad()
    def restore(self, stored: Mapping[str, Tensor]) -> None:
        """Put copies back, in place where shape and type allow it."""
        present = self.named()
        for name, owner, key in list(self._places()):
            if owner[key] is not None and name in set(present) - set(stored):
                self._remove(name, owner, key)
        for name, value in stored.items():
            if _fits(present.get(name), value):
                present[name].copy_(value)
            else:
                self._put(name, value)

    def _places(self) -> Iterator[tuple[str, dict[str, Tensor | None], str]]:
        """Yield name, dict and key of each buffer, also where it is None."""
        for path, module in self._module.named_modules():
            for key in module._buffers:
                yield f'{path}.{key}'.strip('.'), module._buffers, key

    def _remove(
        self, name: str, owner: dict[str, Tensor | None], key: str
    ) -> None:
        if name in self._registered:
            owner[key] = None
        else:
            del owner[key]

    def _put(self, name: str, value: Tensor) -> None:
        path, _, key = name.rpartition('.')
        module = self._module.get_submodule(path)
        device = next(self._module.parameters(), value).device
        module._buffers[key] = value.to(device, copy=True)


def _fits(present: Tensor | None, value: Tensor) -> bool:
    # Else copying would spread a single number over what has grown.
    return present is not None and (present.shape, present.dtype) == (
        value.shape,
        value.dtype,
    )
