"""Names in the state dict of a wrapper that is invisible there."""

from __future__ import annotations

from typing import Any

from torch import nn

_INNER = 'detector.'


def strip_prefix(
    module: nn.Module,
    state_dict: dict[str, Any],
    prefix: str,
    local_metadata: dict[str, Any],
) -> None:
    """Names the entries of a state dict as the bare detector does."""
    _rename(state_dict, prefix + _INNER, prefix)
    metadata = getattr(state_dict, '_metadata', {})
    for key in [k for k in metadata if f'{k}.'.startswith(prefix + _INNER)]:
        value = metadata.pop(key)
        metadata[f'{prefix}{key[len(prefix + _INNER) :]}'.rstrip('.')] = value


def add_prefix(
    module: nn.Module, state_dict: dict[str, Any], prefix: str, *args: Any
) -> None:
    """Names the entries of a bare detector's state dict as the wrapper's."""
    # Layers that changed their format read their version from here.
    metadata = getattr(state_dict, '_metadata', None) or {}
    for key in [k for k in metadata if k.startswith(prefix)]:
        metadata.setdefault(
            prefix + _INNER + key[len(prefix) :], metadata[key]
        )
    _rename(state_dict, prefix, prefix + _INNER)


def _rename(state_dict: dict[str, Any], old: str, new: str) -> None:
    for key in [k for k in state_dict if k.startswith(old)]:
        state_dict[new + key[len(old) :]] = state_dict.pop(key)
