"""What else a training may use: compilation, activation checkpointing.

MMEngine compiles the whole `train_step`. Its graphs would hold the loss
weights and the learning rates as constants, so that each change would compile
it anew. Here they end where the losses are known: the weighting
(`LossWeightWrapper.parse_losses`), the backward pass and the optimizer's step
run outside of them.

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

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.checkpoint import checkpoint

from mmada.engine.mmengine_adapters import keep_compiled_buffers
from mmada.models import inner_model


def prepare_features(runner: Any) -> None:
    """Check the features of a run, and adapt what MMEngine has set up.

    Args:
        runner: About to train or to explore.

    Raises:
        ValueError: If an option of its config cannot work.
    """
    check_full_graph(runner)
    check_step_hooks(runner)
    allow_single_gradients(runner)


def check_full_graph(runner: Any) -> None:
    """Check that compiled graphs may end where the losses are known.

    Raises:
        ValueError: If `compile.fullgraph` is set.
    """
    options = runner.cfg.get('compile')
    if isinstance(options, dict) and options.get('fullgraph'):
        raise ValueError(
            '`compile.fullgraph` should be False: the losses are weighted, '
            'and the optimizer steps, outside of the graph. '
            f'Found {options["fullgraph"]}.'
        )


class _Called(Exception):
    """A hook was called."""


def check_step_hooks(runner: Any) -> None:
    """Check that a head rule at the step will act.

    Some versions of torch, such as 2.1, take the hooks off all optimizers
    when the first graph of the process is compiled.

    Raises:
        ValueError: If the optimizer no longer calls what is registered.
    """
    rule = getattr(runner.optim_wrapper, 'head_rule', None)
    if rule is None or not rule.acts_at_step:
        return
    if runner.cfg.get('compile'):
        torch.compile(lambda: None, backend='eager')()

    def stop(*_: Any) -> None:
        raise _Called

    handle = register_optimizer_step_pre_hook(stop)  # comes before all others
    try:
        type(rule.optimizer).step(rule.optimizer)  # there are no gradients
    except _Called:
        return
    finally:
        handle.remove()
    raise ValueError(
        "`head_rule.mode` should be 'grad' or 'off' where the optimizer does "
        f'not call its hooks. Found {type(rule).__name__} with '
        f'{type(rule.optimizer).__name__}. This torch, {torch.__version__}, '
        'takes them off where something is compiled.'
    )


def step_outside_of_graphs(optim_wrapper: OptimWrapper) -> None:
    """Keep backward pass and step of an optimizer wrapper out of graphs."""
    wrapper: Any = optim_wrapper
    wrapper.update_params = torch.compiler.disable(wrapper.update_params)


def compiled_as(runner: Any, model: Any) -> nn.Module:
    """Compile a replica's `train_step` where the run's own is compiled.

    Args:
        runner: Has compiled its own model, as `compile` says.
        model: The runner's, the module inside of it, or another wrapper of
            that; returned as it is if it is compiled already.
    """
    options = runner.cfg.get('compile')
    if not options or 'train_step' in vars(model):
        return model
    options = {} if options is True else options
    model.train_step = torch.compile(model.train_step, **options)
    return model


def allow_several_backwards(runner: Any) -> None:
    """Let compiled graphs be passed backwards once for each objective.

    Otherwise a graph that was compiled in an iteration with a single backward
    pass gives its buffers away in the first one.
    """
    if runner.cfg.get('compile'):
        keep_compiled_buffers()


def allow_single_gradients(runner: Any) -> None:
    """Exchange the checkpointing that MMEngine has set up.

    Args:
        runner: Its config's `activation_checkpointing` names modules.
    """
    names = runner.cfg.get('activation_checkpointing') or []
    model = inner_model(runner.model)
    for name in [names] if isinstance(names, str) else names:
        module = attrgetter(name)(model)
        plain = getattr(module.forward, '__wrapped__', None)
        if plain is not None:  # MMEngine's own wrapper
            module.forward = _checkpointed(module, plain)


def check_reentrant(error: RuntimeError, model: nn.Module) -> None:
    """Explain an error of autograd that reentrant checkpointing causes.

    Args:
        error: What autograd raised; nothing is done about others.
        model: Whose modules are looked through.

    Raises:
        ValueError: If it is that error.
    """
    if 'use_reentrant' not in str(error):
        return
    names = [n for n, m in model.named_modules() if _recomputes(m)]
    raise ValueError(
        '`with_cp` should be False: it checkpoints activations with reentrant '
        'autograd, through which the gradient of a single objective cannot '
        f'be computed. Found True in {names[0] if names else "a module"}. '
        'Name modules in `activation_checkpointing`, such as '
        "['backbone.layer3'], instead."
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
