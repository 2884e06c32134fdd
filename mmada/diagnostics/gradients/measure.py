"""Measures the gradients that the losses of a config give the trunk."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import Parameter

from mmada.datasets.parallel import with_progress
from mmada.diagnostics.first_batches import (
    FirstBatches,
    first_batches,
    read_training,
)
from mmada.diagnostics.gradients import equations
from mmada.engine.hooks.gradient_weighting_hook import (
    TrunkGradients,
    trunk_parameters,
)
from mmada.engine.probe import MAX_BATCHES, raw_losses
from mmada.models import iteration_losses
from mmada.utils.checks import check_int
from mmada.utils.measurements import known_losses

NO_STEP = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.0),
    constructor='HeadRuleOptimWrapperConstructor',
    head_rule=dict(mode='off'),
)
"""Finds which objectives reach each parameter, and trains nothing."""


class Gradients(NamedTuple):
    """What the losses do to the trunk; NaN where there is no measurement.

    Attributes:
        names: Of the n objectives.
        losses: Mean raw losses, shape ``(n,)``.
        norms: Size of the gradients, a root mean square, ``(n,)``.
        shares: Each of them over their sum, ``(n,)``.
        with_sum: Cosine with the sum of all gradients, ``(n,)``.
        noise: What differs between batches, over what is common, ``(n,)``.
        cosines: Between the objectives, over all batches, ``(n, n)``.
        batch_cosines: The same of each batch, ``(B, n, n)``.
        num_parameters: Parameters of the trunk.
        size: Numbers in them.
    """

    names: tuple[str, ...]
    losses: Tensor
    norms: Tensor
    shares: Tensor
    with_sum: Tensor
    noise: Tensor
    cosines: Tensor
    batch_cosines: Tensor
    num_parameters: int
    size: int


def measure_gradients(
    config: str | Path,
    checkpoint: str | None = None,
    num_batches: int = 8,
    cfg_options: dict[str, Any] | None = None,
) -> Gradients:
    """Measure the gradients of a config's first batches, no step done.

    The losses are raw: with the weights of the config's losses, without those
    that mmada sets. The objectives are those that a wrapper, a hook or a
    search of the config names, else each loss is one.

    Args:
        config: Config file of a training.
        checkpoint: What the model starts from; None for what the config
            says.
        num_batches: Number B of batches, at least 2.
        cfg_options: Entries of the config that replace its own.

    Raises:
        ValueError: If the config is not that of a training, there is nothing
            to compare, or its objectives share no parameters.
    """
    check_int('num_batches', num_batches, 2)
    cfg = read_training(config)
    cfg.merge_from_dict(cfg_options or {})
    if cfg.get('randomness') is None:
        cfg.randomness = dict(seed=0)
    count = max(num_batches, MAX_BATCHES)
    with first_batches(cfg, checkpoint, count, NO_STEP) as first:
        names = first.model.objective_weights.objectives.names
        if len(names) < 2:
            raise ValueError(
                '`objectives` should be at least two, to be compared. Found '
                f'{", ".join(names)}.'
            )
        trunk = trunk_parameters(first.model, first.optim_wrapper)
        return _measure(first, trunk, num_batches)


def _measure(
    first: FirstBatches, trunk: list[Parameter], num_batches: int
) -> Gradients:
    objectives = first.model.objective_weights.objectives
    sums = GradientSums(trunk, len(objectives))
    batches = itertools.islice(first.loader.segment(0), num_batches)
    for batch in with_progress(batches, num_batches, 'batches'):
        losses = raw_losses(first.model, first.optim_wrapper, batch)
        sums.add(objectives.reduce(losses))
    return sums.summary(objectives.names)


class GradientSums:
    """Inner products batch by batch, and the mean gradients.

    A loss that is no measurement, such as that of boxes in images without,
    has no gradient in that batch.

    Args:
        trunk: The shared parameters.
        size: Number n of objectives.
    """

    def __init__(self, trunk: list[Parameter], size: int) -> None:
        self._trunk = trunk
        self._gradients = TrunkGradients(trunk, 1)
        self._totals = trunk[0].new_zeros(
            size, sum(parameter.numel() for parameter in trunk)
        )
        self._losses: list[Tensor] = []
        self._products: list[Tensor] = []

    def add(self, losses: dict[int, Tensor]) -> None:
        """Add a batch.

        Args:
            losses: Raw scalar losses by objective index, with their graph.
        """
        count = len(self._totals)
        values = known_losses(iteration_losses(losses, count))
        rows = torch.full_like(self._totals, torch.nan)
        for i, loss in losses.items():
            row = self._gradients({0: loss})
            if row is not None and values[i].isfinite():
                rows[i] = row[0]
        self._losses.append(values)
        self._products.append((rows @ rows.T).double().cpu())
        self._totals += rows.nan_to_num(0.0)

    def summary(self, names: Iterable[str]) -> Gradients:
        """Return what all batches say together."""
        products = torch.stack(self._products)
        mean = products.nanmean(0)
        counts = products.diagonal(dim1=1, dim2=2).isfinite().sum(0)
        averages = self._totals.double().norm(dim=1).cpu() / counts
        norms = equations.norms(mean)
        return Gradients(
            names=tuple(names),
            losses=torch.stack(self._losses).nanmean(0),
            norms=norms,
            shares=equations.shares(norms),
            with_sum=equations.cosines_with_sum(mean),
            noise=equations.batch_noise(
                norms.square(), averages.square(), counts
            ),
            cosines=equations.cosines(mean),
            batch_cosines=equations.cosines(products),
            num_parameters=len(self._trunk),
            size=self._totals.shape[1],
        )
