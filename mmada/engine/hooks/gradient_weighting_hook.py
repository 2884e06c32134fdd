"""Sets the loss weights by the gradients that the losses give the trunk."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from mmengine import dist
from mmengine.optim import OptimWrapper
from mmengine.registry import HOOKS
from torch import Tensor
from torch.nn import Parameter

from mmada.engine.distributed import holds_on_all_ranks
from mmada.engine.hooks.weighting_hook import WeightingHook, warn_of_lag
from mmada.engine.optimizers import head_rule_of
from mmada.engine.training_features import allow_several_backwards
from mmada.models import LossWeightWrapper, iteration_losses
from mmada.models.objectives import ObjectiveSpec
from mmada.utils.checks import check_int
from mmada.weightings import GradientWeighting


@HOOKS.register_module()
class GradientWeightingHook(WeightingHook[GradientWeighting]):
    """Sets the loss weights by the losses' gradients of the same iteration.

    Between forward and backward pass each objective's gradient with respect
    to the shared parameters is computed: a backward pass through the model
    for each, and memory for each. The gradients are averaged over the ranks,
    so all ranks use the same weights. The weights in force stay where an
    objective is absent from a rank or a gradient is not finite.

    Heads are shielded by the head rule, so the weights act on the trunk. As
    they change every iteration, `head_rule.mode='grad'` is the exact one for
    an optimizer with momentum or with accumulated gradients.

    Once a period, at its end, the mean weights of its iterations, and the
    mean raw losses of those that computed some, are published as by
    StepWeightingHook.

    Args:
        weighting: Config of a :class:`GradientWeighting`.
        parameters: Regular expression in the names of the shared parameters
            to look at, such as 'neck'; None for all of the trunk, that is,
            all that every objective reaches.
        every: Computes weights in one of so many iterations, and keeps them
            in between.
        interval: Iterations of a period; None for an epoch.
        objectives: As in :class:`WeightingHook`.
    """

    weighting_type = GradientWeighting

    def __init__(
        self,
        weighting: dict[str, Any],
        parameters: str | None = None,
        every: int = 1,
        interval: int | None = None,
        objectives: ObjectiveSpec | None = None,
    ) -> None:
        super().__init__(weighting, interval, objectives)
        self._pattern = parameters
        self._every = check_int('every', every, 1)

    def build_weighting(self, runner: Any) -> GradientWeighting:
        """Build the weighting from its config, and find the trunk."""
        allow_several_backwards(runner)
        self._gradients: TrunkGradients | None = self._look_at_trunk(runner)
        self._scaler = getattr(runner.optim_wrapper, 'loss_scaler', None)
        warn_of_lag(runner)
        weighting = super().build_weighting(runner)
        if weighting.needs_period and self.num_periods < 2:
            raise ValueError(
                '`interval` should be less than the iterations of the '
                f'training, {runner.max_iters}: {type(weighting).__name__} '
                'measures losses over a first period of so many, and gives no '
                f'weights in it. Found {self._interval}, that is, '
                f'{self.period}.'
            )
        return weighting

    def period_ended(self, losses: Tensor) -> None:
        """Tell the weighting."""
        assert self.weighting is not None
        self.weighting.end_period(losses)

    def _look_at_trunk(self, runner: Any) -> TrunkGradients:
        parameters = trunk_parameters(
            self.model, runner.optim_wrapper, self._pattern
        )
        size = len(self.weights.objectives)
        runner.logger.info(
            f'Gradients of {size} objectives for {len(parameters)} '
            f'parameters of {sum(p.numel() for p in parameters)} numbers.'
        )
        return TrunkGradients(parameters, size)

    def trainable_changed(self, runner: Any) -> None:
        """Compare the gradients of what is trainable now.

        Where nothing of the trunk is left, the weights stay as they are.
        """
        try:
            self._gradients = self._look_at_trunk(runner)
        except ValueError as error:
            self._gradients = None
            runner.logger.warning(f'The weights stay as they are: {error}')

    def before_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Ask for the losses of an iteration whose weights are computed."""
        super().before_train_iter(runner, batch_idx, data_batch)
        due = self._gradients is not None and runner.iter % self._every == 0
        self.weights.reweigh = self._reweigh if due else None
        self._losses = torch.full(
            (len(self.weights.objectives),), torch.nan, dtype=torch.float64
        )

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Publish where a period ends."""
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
        self.end_iteration(runner, self._losses)

    def _reweigh(self, losses: Mapping[int, Tensor]) -> Tensor:
        assert self.weighting is not None
        assert self._gradients is not None
        weights = torch.tensor(self.weights.values, dtype=torch.float64)
        scale = 1.0 if self._scaler is None else self._scaler.get_scale()
        gradients = self._gradients(losses, scale)
        self._losses = iteration_losses(losses, len(weights))
        if gradients is None or not _is_finite(gradients):
            return weights
        weights = self.weighting.weights(self._losses, gradients)
        # Equal gradients on unequal machines may lead to other last bits.
        dist.broadcast(weights)
        return weights


def _is_finite(gradients: Tensor) -> bool:
    norms = torch.linalg.vector_norm(gradients, dim=1)  # no copy of them
    return bool(torch.isfinite(norms).all())


def trunk_parameters(
    model: LossWeightWrapper,
    optim_wrapper: OptimWrapper,
    pattern: str | None = None,
) -> list[Parameter]:
    """Return the trainable parameters that all objectives reach.

    Objectives that have not appeared yet do not count.

    Args:
        model: The weighted model, outside of model wrappers.
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
    reaching = len(head_rule_of(optim_wrapper).reaching())
    trunk = {
        name: parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
        and len(owners.get(id(parameter), ())) == reaching > 0
    }
    if not trunk:
        names = model.objective_weights.objectives.names
        raise ValueError(
            '`objectives` should share parameters, the trunk whose gradients '
            'are compared. Found none that are reached by all of '
            f'{", ".join(names)}.'
        )
    return list(trunk.values()) if pattern is None else _select(trunk, pattern)


def _select(trunk: dict[str, Parameter], pattern: str) -> list[Parameter]:
    """Return the parameters in whose names a pattern occurs."""
    try:
        found = [p for name, p in trunk.items() if re.search(pattern, name)]
    except re.error as error:
        raise ValueError(
            '`parameters` should be a regular expression. '
            f'Found {pattern!r}: {error}.'
        ) from error
    if not found:
        raise ValueError(
            f'`parameters` should match some of the {len(trunk)} parameters '
            f'that all objectives reach, such as {list(trunk)[-1]!r}. '
            f'Found {pattern!r}.'
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
        """Return the gradients of the losses; their graph is kept.

        Args:
            losses: This rank's raw scalar losses by objective index.
            loss_scale: Losses are multiplied with it on their way, so that
                small gradients survive in half precision.

        Returns:
            The gradients, shape (n, p), in the order of the parameters; None
            if an objective is absent from some rank.
        """
        # Backward passes may hold collectives, as those of SyncBN. So all
        # ranks do the same ones, or none.
        present = sum(loss.requires_grad for loss in losses.values())
        if not holds_on_all_ranks(present == self._size):
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
