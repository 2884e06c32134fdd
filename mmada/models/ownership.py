"""Which objectives a parameter serves, found by asking autograd."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import Parameter


def find_owners(
    objectives: Mapping[int, Tensor], parameters: Mapping[str, Parameter]
) -> dict[str, tuple[int, ...]]:
    """Finds the objectives that reach each parameter.

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
