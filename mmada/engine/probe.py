"""One look at the model before training: its losses and their owners."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import torch
from mmengine import dist
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from mmada.engine.distributed import without_all_reduce
from mmada.engine.mmengine_adapters import forward_losses
from mmada.engine.optimizers import head_rule_of
from mmada.engine.training_features import check_reentrant
from mmada.models import LossWeightWrapper, Objectives
from mmada.utils.seeding import preserve_rng

MAX_BATCHES = 4  # a cascade stage may have no proposal in the first ones

T = TypeVar('T')


def probe_objectives(
    model: nn.Module, optim_wrapper: OptimWrapper, batches: Iterable[Any]
) -> None:
    """Bind the objectives and tag parameter groups with their owners.

    Generators, buffers and gradients are left as they were. All ranks find
    the same, whatever their batches: what one of them sees, all know.

    Args:
        model: A LossWeightWrapper, may be inside a model wrapper.
        optim_wrapper: Built by HeadRuleOptimWrapperConstructor.
        batches: Up to four are used: until every objective was seen, and
            all of them where the objectives are what is seen.

    Raises:
        ObjectiveError: If an objective has no loss in any batch.
        ValueError: If gradients of an objective cannot be computed.
    """
    wrapper = unwrap(model)
    rule = head_rule_of(optim_wrapper)
    buffers = {n: b.clone() for n, b in wrapper.named_buffers()}
    rule.remove()  # it cannot act before it knows the owners
    with preserve_rng(), torch.enable_grad():
        names, owners = _look(wrapper, optim_wrapper, batches)
    wrapper.bind(names)
    for name, buffer in wrapper.named_buffers():
        buffer.copy_(buffers[name])
    rule.assign({name: sorted(found) for name, found in owners.items()})
    rule.attach()
    _log_owners(wrapper, owners)


def unwrap(model: nn.Module) -> LossWeightWrapper:
    """Return the LossWeightWrapper inside a model wrapper.

    Raises:
        TypeError: If there is none.
    """
    inner = getattr(model, 'module', model)
    if not isinstance(inner, LossWeightWrapper):
        raise TypeError(
            '`model.type` should be LossWeightWrapper, around the detector. '
            f'Found {type(inner).__name__}.'
        )
    return inner


def raw_losses(
    wrapper: LossWeightWrapper, optim_wrapper: OptimWrapper, batch: Any
) -> dict[str, Tensor]:
    """Return the losses of a batch by name, as in training, no step done.

    Args:
        wrapper: The wrapped model, outside of model wrappers.
        optim_wrapper: Gives the context, such as autocast.
        batch: As the dataloader returns it.
    """
    wrapper.train()
    with optim_wrapper.optim_context(wrapper):
        data = wrapper.data_preprocessor(batch, True)
        losses = forward_losses(wrapper, data)
    _, log_vars = wrapper.detector.parse_losses(losses)
    return {k: v for k, v in log_vars.items() if 'loss' in k and k != 'loss'}


def find_owners(
    objectives: Mapping[int, Tensor], parameters: Mapping[str, nn.Parameter]
) -> dict[str, tuple[int, ...]]:
    """Find the objectives that reach each parameter.

    An objective reaches a parameter if its gradient there is not None. A
    gradient of zeros counts: an RoI level without boxes gives one.

    Args:
        objectives: Objective index to its scalar loss, one graph for all.
        parameters: Name to parameter.

    Returns:
        Parameter name to the ascending indices of its objectives; () for a
        frozen parameter and for one that no objective reaches.
    """
    trainable = {n: p for n, p in parameters.items() if p.requires_grad}
    owners: dict[str, list[int]] = {name: [] for name in parameters}
    for i, loss in sorted(objectives.items()):
        if not loss.requires_grad:
            continue
        grads = torch.autograd.grad(
            loss,
            list(trainable.values()),
            retain_graph=True,
            allow_unused=True,
        )
        for name, grad in zip(trainable, grads, strict=True):
            if grad is not None:
                owners[name].append(i)
    return {name: tuple(indices) for name, indices in owners.items()}


def _look(
    wrapper: LossWeightWrapper, optim_wrapper: OptimWrapper, batches: Any
) -> tuple[list[str], dict[str, set[int]]]:
    """Return the losses that were seen, and owners by parameter."""
    parameters = dict(wrapper.named_parameters())
    owners: dict[str, set[int]] = {name: set() for name in parameters}
    names: dict[str, None] = {}
    objectives = wrapper.bound_objectives
    for batch in itertools.islice(batches, MAX_BATCHES):
        losses = raw_losses(wrapper, optim_wrapper, batch)
        known = len(names)
        for found in _of_all_ranks(list(losses)):
            names |= dict.fromkeys(found)
        if objectives is None and len(names) == known:
            continue  # owners are costly where each loss is an objective
        # What is seen later comes last, so indices stay as they are.
        current = objectives or Objectives.from_loss_names(names)
        _add(owners, _owners(wrapper, current.reduce(losses), parameters))
        if objectives is not None and not objectives.unmatched(names):
            break
    for others in _of_all_ranks(owners):
        _add(owners, others)
    return list(names), owners


def _owners(
    wrapper: LossWeightWrapper,
    objectives: Mapping[int, Tensor],
    parameters: Mapping[str, nn.Parameter],
) -> dict[str, tuple[int, ...]]:
    try:
        # A rank may lack an objective, and with it a backward pass.
        with without_all_reduce():
            return find_owners(objectives, parameters)
    except RuntimeError as error:
        check_reentrant(error, wrapper)
        raise


def _add(
    owners: dict[str, set[int]], found: Mapping[str, Iterable[int]]
) -> None:
    for name, indices in found.items():
        owners[name].update(indices)


def _of_all_ranks(value: T) -> list[T]:
    """Return the values of all ranks, in their order."""
    if not dist.is_distributed():
        return [value]
    gathered: list[T] = dist.all_gather_object(value)
    return gathered


def _log_owners(
    wrapper: LossWeightWrapper, owners: dict[str, set[int]]
) -> None:
    objectives = wrapper.objectives.names
    counts: dict[str, int] = {}
    for found in owners.values():
        label = (
            'trunk'
            if len(found) == len(objectives)
            else ' + '.join(objectives[i] for i in sorted(found)) or 'none'
        )
        counts[label] = counts.get(label, 0) + 1
    text = ', '.join(f'{label}: {n}' for label, n in counts.items())
    print_log(
        f'Parameters by the objectives that reach them: {text}.',
        logger='current',
    )
