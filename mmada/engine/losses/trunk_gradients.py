"""Gradients of single objectives with respect to the shared trunk."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from mmengine import dist
from mmengine.optim import OptimWrapper
from torch import Tensor
from torch.nn import Parameter

from mmada.models import LossWeightWrapper


def trunk_parameters(
    model: LossWeightWrapper,
    optim_wrapper: OptimWrapper,
    pattern: str | None = None,
) -> list[Parameter]:
    """Returns the parameters that all objectives reach.

    Args:
        model: The wrapped model, outside of model wrappers.
        optim_wrapper: Its groups tagged with their objectives.
        pattern: Regular expression that occurs in the names of those to
            return; None for all.

    Raises:
        ValueError: If there are none.
    """
    owners = {
        id(group['params'][0]): group['objectives']
        for group in optim_wrapper.optimizer.param_groups
    }
    trunk = {
        name: parameter
        for name, parameter in model.named_parameters()
        if len(owners.get(id(parameter), ())) == len(model.objectives)
    }
    if not trunk:
        raise ValueError(
            'No parameter is reached by all objectives '
            f'({", ".join(model.objectives.names)}), so there is no shared '
            'trunk whose gradients could be compared.'
        )
    if pattern is None:
        return list(trunk.values())
    try:
        found = [p for name, p in trunk.items() if re.search(pattern, name)]
    except re.error as error:
        raise ValueError(
            f'`parameters` is {pattern!r}; expected a regular expression: '
            f'{error}.'
        ) from error
    if not found:
        raise ValueError(
            f'`parameters` is {pattern!r}, which none of the {len(trunk)} '
            'parameters matches that all objectives reach; expected it to '
            f'match some, such as {list(trunk)[-1]!r}.'
        )
    return found


class TrunkGradients:
    """Computes a gradient an objective, averaged over the ranks.

    Args:
        parameters: The shared parameters.
        size: Number n of objectives.
    """

    def __init__(self, parameters: Sequence[Parameter], size: int) -> None:
        self._parameters = list(parameters)
        self._sizes = [parameter.numel() for parameter in parameters]
        self._size = size

    def __call__(
        self, losses: Mapping[int, Tensor], loss_scale: float = 1.0
    ) -> Tensor | None:
        """Returns the gradients of the losses; their graph is kept.

        Backward passes may hold collectives, as those of SyncBN. So all
        ranks do the same ones, or none.

        Args:
            losses: This rank's raw scalar losses by objective index.
            loss_scale: Losses are multiplied with it on their way, so that
                small gradients survive in half precision.

        Returns:
            The gradients, shape (n, p), in the order of the parameters; None
            if an objective is absent from some rank.
        """
        if not self._complete(losses):
            return None
        first = self._parameters[0]
        rows = first.new_zeros(self._size, sum(self._sizes))
        for i in range(self._size):
            self._fill(rows[i], losses[i] * loss_scale)
        rows /= loss_scale
        dist.all_reduce(rows, 'mean')
        return rows

    def _fill(self, row: Tensor, loss: Tensor) -> None:
        gradients = torch.autograd.grad(
            loss, self._parameters, retain_graph=True, allow_unused=True
        )
        for part, gradient in zip(
            row.split(self._sizes), gradients, strict=True
        ):
            if gradient is not None:
                part.copy_(gradient.reshape(-1))

    def _complete(self, losses: Mapping[int, Tensor]) -> bool:
        present = [i for i, loss in losses.items() if loss.requires_grad]
        if not dist.is_distributed():
            return len(present) == self._size
        flag = torch.tensor(
            float(len(present) == self._size), device=dist.get_comm_device()
        )
        dist.all_reduce(flag, 'min')
        return bool(flag)
