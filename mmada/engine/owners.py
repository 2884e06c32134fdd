"""Which objectives own a parameter, by the graph of their losses."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn


def find_owners(
    objectives: Mapping[int, Tensor], parameters: Mapping[str, nn.Parameter]
) -> dict[str, tuple[int, ...]]:
    """Find the objectives that reach each parameter.

    An objective reaches a parameter if its gradient there is not None. A
    gradient of zeros counts: an RoI level without boxes gives one. But 0
    times the sum of a parameter, as is added for DistributedDataParallel,
    counts only where nothing else reaches the parameter.

    Args:
        objectives: Objective index to its scalar loss, one graph for all.
        parameters: Name to parameter.

    Returns:
        Parameter name to the ascending indices of its objectives; () for a
        frozen parameter and for one that no objective reaches.
    """
    trainable = {n: p for n, p in parameters.items() if p.requires_grad}
    owners: dict[str, list[int]] = {name: [] for name in parameters}
    nominal: dict[str, list[int]] = {name: [] for name in parameters}
    for i, loss in sorted(objectives.items()):
        if not loss.requires_grad:
            continue
        with _scalar_nodes(loss) as scalars:
            grads = torch.autograd.grad(
                loss,
                list(trainable.values()),
                retain_graph=True,
                allow_unused=True,
            )
        real = _really_reached(loss, scalars)
        for (name, p), grad in zip(trainable.items(), grads, strict=True):
            if grad is not None:
                (owners if id(p) in real else nominal)[name].append(i)
    return {name: tuple(owners[name] or nominal[name]) for name in parameters}


@contextlib.contextmanager
def _scalar_nodes(loss: Tensor) -> Iterator[set[Any]]:
    """Collect nodes of the graph whose values are scalars.

    A backward pass inside shows which: a gradient has the shape of its value.
    """
    found: set[Any] = set()

    def note(node: Any, gradients: tuple[Tensor | None, ...]) -> None:
        if gradients[0] is not None and gradients[0].ndim == 0:
            found.add(node)

    seen: set[Any] = set()
    stack: list[Any] = [loss.grad_fn]
    handles = []
    while stack:
        node = stack.pop()
        if node is None or node in seen or hasattr(node, 'variable'):
            continue
        seen.add(node)
        handles.append(node.register_prehook(partial(note, node)))
        stack += [following for following, _ in node.next_functions]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _really_reached(loss: Tensor, scalars: set[Any]) -> set[int]:
    """Return the ids of the leaves that a loss is computed from.

    Not those that it only adds 0 times the sum of.

    Args:
        loss: With its graph.
        scalars: Nodes of the graph whose values are scalars.
    """
    found: set[int] = set()
    seen: set[Any] = set()
    stack: list[Any] = [(loss.grad_fn, False)]
    while stack:
        node, is_zero = stack.pop()
        if node is None or (node, is_zero) in seen:
            continue
        seen.add((node, is_zero))
        if hasattr(node, 'variable'):
            if not is_zero:
                found.add(id(node.variable))
            continue
        # What is more than sums of leaves was computed by layers: a batch
        # without positives multiplies their outputs by 0.
        is_scalar = node in scalars
        is_zero = _multiplies_by_zero(node, is_scalar) or (
            is_zero and is_scalar
        )
        stack += [(following, is_zero) for following, _ in node.next_functions]
    return found


def _multiplies_by_zero(node: Any, is_scalar: bool) -> bool:
    """Return whether a node of the graph is a product with a constant 0.

    Only products that are scalars, or of a parameter itself, are looked at:
    to ask an inner node of a checkpointed module for its factor computes the
    module anew.
    """
    if not node.name().startswith('MulBackward'):
        return False
    (first, _), (second, _) = node.next_functions
    following = first or second
    if (first is None) == (second is None) or not (
        hasattr(following, 'variable') or is_scalar
    ):
        return False
    factor = node._saved_other if second is None else node._saved_self
    return factor is not None and factor.numel() == 1 and bool(factor == 0)
