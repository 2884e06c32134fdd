"""Activation checkpointing that single objectives can be asked through.

MMEngine's `activation_checkpointing` uses torch's reentrant kind. A module
that reads images then gets no gradient at all, since no input of it asks for
one, and a gradient of a single objective cannot be computed through it. Here
the same modules get the other kind.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.utils.checkpoint import checkpoint


def allow_single_gradients(runner: Any) -> None:
    """Exchanges the checkpointing that MMEngine has set up.

    Args:
        runner: Its config's `activation_checkpointing` names modules.
    """
    names = runner.cfg.get('activation_checkpointing') or []
    model = getattr(runner.model, 'module', runner.model)
    for name in [names] if isinstance(names, str) else names:
        module = attrgetter(name)(model)
        plain = getattr(module.forward, '__wrapped__', None)
        if plain is not None:  # MMEngine's own wrapper
            module.forward = _checkpointed(module, plain)


def refuse_reentrant(error: RuntimeError, model: nn.Module) -> None:
    """Explains an error of torch that reentrant checkpointing is behind.

    Args:
        error: What autograd raised; nothing is done about others.
        model: Whose modules are looked through.

    Raises:
        ValueError: If it is that error.
    """
    if 'use_reentrant' not in str(error):
        return
    names = [n for n, m in model.named_modules() if _recomputes(m)]
    found = f'`with_cp` of {names[0]} is True' if names else 'A module'
    raise ValueError(
        f'{found}, and checkpoints its activations with reentrant autograd, '
        'through which the gradient of a single objective cannot be '
        'computed; expected none: set `with_cp=False`, and name modules in '
        "`activation_checkpointing`, such as ['backbone.layer3'], instead."
    ) from error


def _recomputes(module: nn.Module) -> bool:
    return getattr(module, 'with_cp', False) is True


def _checkpointed(
    module: nn.Module, forward: Callable[..., Any]
) -> Callable[..., Any]:
    def contexts() -> tuple[Any, Any]:
        return contextlib.nullcontext(), _StillStatistics(module)

    # Not functools.wraps, whose mark is that of MMEngine's wrapper.
    def recomputing(*args: Any, **kwargs: Any) -> Any:
        return checkpoint(
            forward,
            *args,
            use_reentrant=False,
            context_fn=contexts,
            **kwargs,
        )

    return recomputing


class _StillStatistics:
    """Keeps a recomputed batch from counting again in running statistics.

    A backward pass of each objective enters it anew.
    """

    def __init__(self, module: nn.Module) -> None:
        self._norms = [m for m in module.modules() if isinstance(m, _NormBase)]
        self._momenta = [norm.momentum for norm in self._norms]

    def __enter__(self) -> None:
        self._counts = [_copy(n.num_batches_tracked) for n in self._norms]
        for norm in self._norms:
            norm.momentum = 0.0

    def __exit__(self, *error: object) -> None:
        for norm, momentum, count in zip(
            self._norms, self._momenta, self._counts, strict=True
        ):
            norm.momentum = momentum
            if norm.num_batches_tracked is not None and count is not None:
                norm.num_batches_tracked.copy_(count)


def _copy(tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else tensor.clone()
