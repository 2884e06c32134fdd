"""A detector under test: its models, its batch, its gradients.

All from one seed, so that two runs can be compared to the bit.
"""

from __future__ import annotations

import copy
import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.registry import MODELS
from torch import Tensor

from mmada.engine.probe import probe_objectives
from mmada.models import LossWeightWrapper

ALL = ('all',)
"""Owners of a parameter that all objectives reach."""

LEARNING_RATE = 1.0  # with less, steps would drown in the rounding of sums


@dataclass(frozen=True, kw_only=True)
class DetectorCase:
    """A small detector, and what is known of it without running mmada.

    Attributes:
        detector: Its config. It is built anew for each test, so it should be
            small and ask for no pretrained weights.
        objectives: Objective to its pattern, or patterns, of loss names.
        batch: Returns a training batch as a dataloader collates it, a new
            and equal one at each call, with at least one object.
        losses: Objective to the losses that its patterns should match; None
            takes what they match. Names that are stated find wrong patterns.
        unweighted: The losses of no objective, if `losses` are stated.
        owners: A few telling parameters to the objectives that reach them;
            `ALL` for the trunk, () for none.
        optimizer: Config of the optimizer of whole trainings; None for SGD.
        mode: The head rule that suits that optimizer.
        scope: Where the parts of the detector are registered.
        dtype: The widest in which the detector and the batch can be run.
        tolerance: Of gradients, relative to the largest term of a parameter,
            since sums are taken in another order; None for 1e-5 in single
            precision and 1e-12 in double.
        noise: Deviation of what is added to initial parameters, so that no
            gradient is zero only because a layer starts with zeros.
    """

    detector: Mapping[str, Any]
    objectives: Mapping[str, str | Sequence[str]]
    batch: Callable[[], dict[str, Any]]
    losses: Mapping[str, Sequence[str]] | None = None
    unweighted: Sequence[str] = ()
    owners: Mapping[str, Sequence[str]] | None = None
    optimizer: Mapping[str, Any] | None = None
    mode: str = 'lr'
    scope: str = 'mmdet'
    dtype: torch.dtype = torch.float32
    tolerance: float | None = None
    noise: float = 0.05

    def bare(self) -> Any:
        """Return the detector itself."""
        torch.manual_seed(0)
        config = Config(copy.deepcopy(dict(detector=dict(self.detector))))
        detector = MODELS.build(config.detector)
        detector.init_weights()
        with torch.no_grad():
            for parameter in detector.parameters():
                if parameter.requires_grad:
                    parameter += self.noise * torch.randn_like(parameter)
        return detector.to(self.dtype)

    def wrapped(
        self, mode: str = 'off', objectives: Any = None
    ) -> tuple[LossWeightWrapper, OptimWrapper]:
        """Return the wrapped detector after the probe, and plain SGD.

        Args:
            mode: Of the head rule.
            objectives: In place of the case's.
        """
        model = LossWeightWrapper(self.bare(), objectives or self.objectives)
        optim_wrapper = head_rule(model, mode)
        seed()
        probe_objectives(model, optim_wrapper, [self.batch()])
        return model, optim_wrapper

    def run(self, model: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """Return what `parse_losses` makes of a training batch."""
        model.train()
        seed()
        data = model.data_preprocessor(self.batch(), True)
        return model.parse_losses(model(**data, mode='loss'))

    def step(
        self, model: Any, optim_wrapper: OptimWrapper
    ) -> dict[str, Tensor]:
        """Return what one training step adds to trainable parameters."""
        before = {n: p.detach().clone() for n, p in model.named_parameters()}
        model.train()
        seed()
        model.train_step(self.batch(), optim_wrapper)
        return {
            name: p.detach() - before[name]
            for name, p in model.named_parameters()
            if p.requires_grad
        }

    def predict(self, model: Any) -> dict[str, Tensor]:
        """Return all tensors that a model predicts for the batch, by name."""
        model.float().eval()
        with torch.no_grad():
            samples = model.val_step(self.batch())
        return {
            f'{i}/{key}/{field}': value
            for i, sample in enumerate(samples)
            for key in sorted(sample.keys())
            if key.startswith('pred_')
            for field, value in sorted(sample.get(key).items())
            if isinstance(value, Tensor)
        }


def head_rule(model: LossWeightWrapper, mode: str) -> OptimWrapper:
    """Return plain SGD with a head rule that awaits the owners."""
    return build_optim_wrapper(
        model,
        dict(
            constructor='HeadRuleOptimWrapperConstructor',
            optimizer=dict(type='SGD', lr=LEARNING_RATE),
            head_rule=dict(mode=mode),
        ),
    )


def seed() -> None:
    """Seed what samplers and heads draw from."""
    torch.manual_seed(1)
    np.random.seed(1)
    random.seed(1)


def gradients_of(model: Any, total: Tensor) -> dict[str, Tensor | None]:
    """Return the gradient of each parameter by the detector's names."""
    model.zero_grad(set_to_none=True)
    total.backward()
    return {name: p.grad for name, p in model.named_parameters()}


class Reference(NamedTuple):
    """Losses and gradients of the bare detector, by autograd alone.

    Attributes:
        losses: Objective to the names of its losses; None for the losses
            that belong to no objective, if there are some.
        parameters: Trainable parameters.
        gradients: By objective and parameter; a parameter that the objective
            does not reach is absent. None as in `losses`.
    """

    losses: dict[str | None, Sequence[str]]
    parameters: dict[str, Tensor]
    gradients: dict[str | None, dict[str, Tensor]]

    def owners(self, name: str) -> list[str]:
        """Return the objectives that reach a parameter."""
        return [
            objective
            for objective, found in self.gradients.items()
            if objective is not None and name in found
        ]

    def trunk(self) -> list[str]:
        """Return the parameters that all objectives reach."""
        objectives = [name for name in self.losses if name is not None]
        return [n for n in self.parameters if self.owners(n) == objectives]

    def gradient(self, name: str, weights: Mapping[str, float]) -> Tensor:
        """Return the sum over the objectives of weight times gradient."""
        parts = [
            (1.0 if objective is None else weights[objective]) * found[name]
            for objective, found in self.gradients.items()
            if name in found
        ]
        return sum(parts, torch.zeros_like(self.parameters[name]))

    def scale(self, name: str, weights: Mapping[str, float]) -> float:
        """Return the size of the largest term, as rounding goes with it.

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


def reference(case: DetectorCase) -> Reference:
    """Differentiate the losses of each objective of the bare detector."""
    detector = case.bare()
    _, log_vars = case.run(detector)
    named = {n: p for n, p in detector.named_parameters() if p.requires_grad}
    losses = _losses(case, [name for name in log_vars if name != 'loss'])
    gradients = {
        objective: _gradient(sum(log_vars[name] for name in names), named)
        for objective, names in losses.items()
    }
    parameters = {name: p.detach() for name, p in named.items()}
    return Reference(losses, parameters, gradients)


def _losses(
    case: DetectorCase, produced: Sequence[str]
) -> dict[str | None, Sequence[str]]:
    """Return the losses of each objective, and those of none under None."""
    found: dict[str | None, Sequence[str]] = {}
    if case.losses is not None:
        found.update((name, case.losses[name]) for name in case.objectives)
        found[None] = case.unweighted
    else:
        left = [name for name in produced if 'loss' in name]
        for objective, given in case.objectives.items():
            patterns = [given] if isinstance(given, str) else given
            found[objective] = [
                name
                for name in left
                if any(re.fullmatch(pattern, name) for pattern in patterns)
            ]
            left = [name for name in left if name not in found[objective]]
        found[None] = left
    if not found[None]:
        del found[None]
    return found


def _gradient(loss: Any, named: dict[str, Tensor]) -> dict[str, Tensor]:
    grads = torch.autograd.grad(
        loss, list(named.values()), retain_graph=True, allow_unused=True
    )
    return {
        name: grad
        for name, grad in zip(named, grads, strict=True)
        if grad is not None
    }
