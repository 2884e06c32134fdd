"""One look at the model before training: its losses and their owners."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from torch import Tensor, nn

from mmada.models import LossWeightWrapper, ObjectiveError, find_owners

from .activation_checkpointing import refuse_reentrant
from .optimizers import head_rule_of
from .seeding import preserve_rng

MAX_BATCHES = 4  # a cascade stage may have no proposal in the first ones


def unwrap(model: nn.Module) -> LossWeightWrapper:
    """Returns the LossWeightWrapper inside a model wrapper.

    Raises:
        TypeError: If there is none.
    """
    inner = getattr(model, 'module', model)
    if not isinstance(inner, LossWeightWrapper):
        raise TypeError(
            f'`model.type` is {type(inner).__name__}; expected '
            'LossWeightWrapper around the detector.'
        )
    return inner


def probe_objectives(
    model: nn.Module, optim_wrapper: OptimWrapper, batches: Iterable[Any]
) -> None:
    """Binds the objectives and tags parameter groups with their owners.

    Generators, buffers and gradients are left as they were.

    Args:
        model: A LossWeightWrapper, may be inside a model wrapper.
        optim_wrapper: Built by HeadRuleOptimWrapperConstructor.
        batches: Up to four are used, until every objective was seen.

    Raises:
        ObjectiveError: If an objective has no loss in any batch.
        ValueError: If gradients of an objective cannot be computed.
    """
    wrapper = unwrap(model)
    rule = head_rule_of(optim_wrapper)
    parameters = dict(wrapper.named_parameters())
    owners: dict[str, set[int]] = {name: set() for name in parameters}
    names: dict[str, None] = {}
    buffers = {n: b.clone() for n, b in wrapper.named_buffers()}
    rule.remove()  # it cannot act before it knows the owners
    with preserve_rng(), torch.enable_grad():
        for _, batch in zip(range(MAX_BATCHES), batches, strict=False):
            losses = raw_losses(wrapper, optim_wrapper, batch)
            names |= dict.fromkeys(losses)
            _bind_if_complete(wrapper, list(names))
            for name, found in _owners(wrapper, losses, parameters).items():
                owners[name] |= set(found)
            if not wrapper.objectives.unmatched(names):
                break
    wrapper.bind(list(names))
    for name, buffer in wrapper.named_buffers():
        buffer.copy_(buffers[name])
    rule.assign({name: sorted(found) for name, found in owners.items()})
    rule.attach()
    _log_owners(wrapper, owners)


def _owners(
    wrapper: LossWeightWrapper,
    losses: Mapping[str, Tensor],
    parameters: Mapping[str, nn.Parameter],
) -> dict[str, tuple[int, ...]]:
    try:
        return find_owners(wrapper.objectives.reduce(losses), parameters)
    except RuntimeError as error:
        refuse_reentrant(error, wrapper)
        raise


def raw_losses(
    wrapper: LossWeightWrapper, optim_wrapper: OptimWrapper, batch: Any
) -> dict[str, Tensor]:
    """Returns the losses of a batch by name, as in training, no step done.

    Args:
        wrapper: The wrapped model, outside of model wrappers.
        optim_wrapper: Gives the context, such as autocast.
        batch: As the dataloader returns it.
    """
    wrapper.train()
    with optim_wrapper.optim_context(wrapper):
        data = wrapper.data_preprocessor(batch, True)
        losses = wrapper._run_forward(data, mode='loss')
    _, log_vars = wrapper.detector.parse_losses(losses)
    return {k: v for k, v in log_vars.items() if 'loss' in k and k != 'loss'}


def _bind_if_complete(wrapper: LossWeightWrapper, names: list[str]) -> None:
    try:
        wrapper.bind(names)
    except ObjectiveError:
        print_log(
            'An objective is absent from a batch; looking at another.',
            logger='current',
        )


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
