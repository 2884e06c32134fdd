"""Models, batches and gradients of a family, all from one seed."""

from __future__ import annotations

import copy
import random
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import DATASETS, MODELS
from torch import Tensor, nn

from mmada.engine.probe import probe_objectives
from mmada.models import LossWeightWrapper
from tests.test_families.family import Family

LEARNING_RATE = 1.0  # with less, steps would drown in the rounding of sums


def bare(family: Family) -> Any:
    """Returns the detector itself.

    Noise on the initial parameters sees to it that no gradient is zero only
    because a layer starts with zeros.
    """
    torch.manual_seed(0)
    config = Config(copy.deepcopy(dict(detector=dict(family.detector))))
    detector = MODELS.build(config.detector)
    detector.init_weights()
    with torch.no_grad():
        for parameter in detector.parameters():
            if parameter.requires_grad:
                parameter += 0.05 * torch.randn_like(parameter)
    return detector.to(family.dtype)


def wrapped(
    family: Family, mode: str = 'off', objectives: Any = None
) -> tuple[LossWeightWrapper, OptimWrapper]:
    """Returns the wrapped detector after the probe, and plain SGD."""
    model = LossWeightWrapper(bare(family), objectives or family.objectives)
    optim_wrapper = head_rule(model, mode)
    seed()
    probe_objectives(model, optim_wrapper, [batch(family)])
    return model, optim_wrapper


def head_rule(model: LossWeightWrapper, mode: str) -> OptimWrapper:
    """Returns plain SGD with a head rule that awaits the owners."""
    return build_optim_wrapper(
        model,
        dict(
            constructor='HeadRuleOptimWrapperConstructor',
            optimizer=dict(type='SGD', lr=LEARNING_RATE),
            head_rule=dict(mode=mode),
        ),
    )


def batch(family: Family) -> dict[str, Any]:
    """Returns two images, one with an object and one with three."""
    dataset = DATASETS.build(dict(type=family.dataset))
    items = [dataset[0], dataset[2]]
    for item in items:
        if 'gt_instances' in item['data_samples']:
            truth = item['data_samples'].gt_instances
            truth.bboxes = truth.bboxes.to(family.dtype)
    return {key: [item[key] for item in items] for key in items[0]}


def seed() -> None:
    """Seeds what samplers and heads draw from."""
    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)


def run(model: Any, family: Family) -> Any:
    """Returns what `parse_losses` makes of a training batch."""
    model.train()
    seed()
    data = model.data_preprocessor(batch(family), True)
    return model.parse_losses(model(**data, mode='loss'))


def gradients_of(model: Any, total: Tensor) -> dict[str, Tensor | None]:
    """Returns the gradient of each parameter by the detector's names."""
    model.zero_grad(set_to_none=True)
    total.backward()
    inner = getattr(model, 'detector', model)
    return {name: p.grad for name, p in inner.named_parameters()}


def step(
    model: Any, optim_wrapper: OptimWrapper, family: Family
) -> dict[str, Tensor]:
    """Returns what one training step adds to each trainable parameter."""
    inner: nn.Module = getattr(model, 'detector', model)
    before = {n: p.detach().clone() for n, p in inner.named_parameters()}
    model.train()
    seed()
    model.train_step(batch(family), optim_wrapper)
    return {
        name: p.detach() - before[name]
        for name, p in inner.named_parameters()
        if p.requires_grad
    }


class Reference(NamedTuple):
    """Gradients of the bare detector, by autograd alone.

    Attributes:
        parameters: Trainable parameters.
        gradients: By objective and parameter; a parameter that the objective
            does not reach is absent. `None` stands for losses that belong to
            no objective.
    """

    parameters: dict[str, Tensor]
    gradients: dict[str | None, dict[str, Tensor]]

    def owners(self, name: str) -> list[str]:
        """Objectives that reach a parameter."""
        return [
            objective
            for objective, found in self.gradients.items()
            if objective is not None and name in found
        ]

    def gradient(self, name: str, weights: Mapping[str, float]) -> Tensor:
        """The sum over the objectives of weight times gradient."""
        parts = [
            (1.0 if objective is None else weights[objective]) * found[name]
            for objective, found in self.gradients.items()
            if name in found
        ]
        return sum(parts, torch.zeros_like(self.parameters[name]))

    def scale(self, name: str, weights: Mapping[str, float]) -> float:
        """Size of the largest term, which rounding is proportional to.

        Not less than 1e-3: some gradients are zero but for rounding.
        """
        sizes = [
            float(
                (weights.get(objective or '', 1.0) * found[name]).abs().max()
            )
            for objective, found in self.gradients.items()
            if name in found
        ]
        return max([1e-3, *sizes])


def reference(family: Family) -> Reference:
    """Differentiates the losses of each objective, as stated by hand."""
    detector = bare(family)
    _, log_vars = run(detector, family)
    named = {n: p for n, p in detector.named_parameters() if p.requires_grad}
    groups: list[tuple[str | None, Sequence[str]]] = [
        *family.losses.items(),
        (None, family.unweighted),
    ]
    found = {}
    for objective, names in groups:
        if names:
            found[objective] = _gradient(
                sum(log_vars[name] for name in names), named
            )
    return Reference({n: p.detach() for n, p in named.items()}, found)


def _gradient(loss: Any, named: dict[str, Tensor]) -> dict[str, Tensor]:
    grads = torch.autograd.grad(
        loss, list(named.values()), retain_graph=True, allow_unused=True
    )
    return {
        name: grad
        for name, grad in zip(named, grads, strict=True)
        if grad is not None
    }
