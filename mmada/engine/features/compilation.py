"""What `compile` in a config may compile, and what it must leave alone.

MMEngine compiles the whole `train_step`. Its graphs would hold the loss
weights and the learning rates as constants, so that each change would compile
it anew. Here they end where the losses are known: the weighting
(`LossWeightWrapper.parse_losses`), the backward pass and the optimizer's step
run outside of them.
"""

from __future__ import annotations

from typing import Any

import torch
from mmengine.optim import OptimWrapper
from torch import nn


def step_outside_of_graphs(optim_wrapper: OptimWrapper) -> None:
    """Keeps backward pass and step of an optimizer wrapper out of graphs."""
    wrapper: Any = optim_wrapper
    wrapper.update_params = torch.compiler.disable(wrapper.update_params)


def refuse_full_graph(runner: Any) -> None:
    """Refuses a compilation that may not end where the losses are known.

    Raises:
        ValueError: If `compile.fullgraph` is set.
    """
    options = runner.cfg.get('compile')
    if isinstance(options, dict) and options.get('fullgraph'):
        raise ValueError(
            f'`compile.fullgraph` is {options["fullgraph"]}; expected False: '
            'the losses are weighted, and the optimizer steps, outside of '
            'the graph.'
        )


def compiled_as(runner: Any, model: Any) -> nn.Module:
    """Compiles a replica's `train_step` where the run's own is compiled.

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
    """Lets compiled graphs be passed backwards once for each objective.

    Otherwise a graph that was compiled in an iteration with a single backward
    pass gives its buffers away in the first one.
    """
    if runner.cfg.get('compile'):
        from torch._functorch import config

        config.donated_buffer = False
