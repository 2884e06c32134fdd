"""Sets the loss weights by the gradients that the losses give the trunk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from mmengine import dist
from mmengine.registry import HOOKS
from torch import Tensor

from mmada.engine.features.compilation import allow_several_backwards
from mmada.engine.hooks.head_rule_lag import warn_of_lag
from mmada.engine.hooks.kinds import build_weighting_of
from mmada.engine.hooks.period_means import PeriodMeans
from mmada.engine.hooks.weighting_hook import WeightingHook
from mmada.engine.losses.trunk_gradients import (
    TrunkGradients,
    trunk_parameters,
)
from mmada.models import iteration_losses
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
    """

    def __init__(
        self,
        weighting: dict[str, Any],
        parameters: str | None = None,
        every: int = 1,
        interval: int | None = None,
    ) -> None:
        super().__init__(interval)
        check_int('every', every, 1)
        self._config = weighting
        self._pattern = parameters
        self._every = every

    def build_weighting(self, runner: Any) -> GradientWeighting:
        """Builds the weighting from its config, and finds the trunk."""
        allow_several_backwards(runner)
        parameters = trunk_parameters(
            self.model, runner.optim_wrapper, self._pattern
        )
        size = len(self.model.objectives)
        self._gradients = TrunkGradients(parameters, size)
        self._means = PeriodMeans(size)
        self._scaler = getattr(runner.optim_wrapper, 'loss_scaler', None)
        runner.logger.info(
            f'Gradients of {size} objectives for {len(parameters)} '
            f'parameters of {sum(p.numel() for p in parameters)} numbers.'
        )
        warn_of_lag(runner)
        return build_weighting_of(
            GradientWeighting,  # type: ignore[type-abstract]
            self._config,
        )

    def before_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Asks for the losses of an iteration whose weights are computed."""
        due = runner.iter % self._every == 0
        self.model.reweigh = self._reweigh if due else None
        self._losses = torch.full(
            (len(self.model.objectives),), torch.nan, dtype=torch.float64
        )

    def after_train_iter(
        self,
        runner: Any,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Publishes where a period ends."""
        self._means.add(self.model.weights, self._losses)
        done = runner.iter + 1
        if done % self.period == 0 or done == runner.max_iters:
            self.publish(
                runner,
                -(-done // self.period),
                self._means.weights,
                self._means.losses,
            )
            self._means = PeriodMeans(len(self.model.objectives))

    def after_train(self, runner: Any) -> None:
        """Leaves the model as it was found."""
        self.model.reweigh = None

    def state_dict(self) -> dict[str, Any]:
        """Returns the means of the period so far."""
        return dict(means=self._means.state_dict())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on within a period."""
        self._means.load_state_dict(state['means'])

    def _reweigh(self, losses: Mapping[int, Tensor]) -> Tensor:
        assert self.weighting is not None
        weights = torch.tensor(self.model.weights, dtype=torch.float64)
        scale = 1.0 if self._scaler is None else self._scaler.get_scale()
        gradients = self._gradients(losses, scale)
        self._losses = iteration_losses(losses, len(weights))
        if gradients is None or not _is_finite(self._losses, gradients):
            return weights
        weights = self.weighting.weights(self._losses, gradients)
        # Equal gradients on unequal machines may lead to other last bits.
        dist.broadcast(weights)
        return weights


def _is_finite(losses: Tensor, gradients: Tensor) -> bool:
    norms = torch.linalg.vector_norm(gradients, dim=1)  # no copy of them
    return bool(torch.isfinite(losses).all() and torch.isfinite(norms).all())
