"""The head rule: loss weights act on the shared trunk only.

:func:`head_factor` is the rule, the classes apply it at an optimizer's step.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from mmengine.logging import print_log
from torch import Tensor
from torch.nn import Parameter
from torch.optim import Optimizer

_LAST_FACTOR = 'head_factor'
"""Key of a parameter group: the factor of its last step."""

WeightSource = Callable[[], tuple[float, ...]]


def head_factor(
    weights: Sequence[float],
    owners: Sequence[int],
    limits: tuple[float, float],
    num_reaching: int | None = None,
) -> float:
    r"""Return the learning-rate factor of a parameter.

    .. math:: f = 1 / \mathrm{mean}_{i \in O} \lambda_i

    for a parameter of a head, that is, one whose objectives O are neither
    none nor all of those that reach anything; 1 for the trunk, for what no
    objective reaches, and where the mean is 0: then there is nothing to
    shield but momentum and decay.
    Source: Ada-Segment (AAAI 2021), "Implementation Details", with O instead
    of a single loss so that layers shared by some heads are covered.

    Args:
        weights: The n loss weights, >= 0.
        owners: Indices O of the objectives that reach the parameter.
        limits: Smallest and largest factor.
        num_reaching: Number of objectives that reach any parameter, fewer
            than n where one has not appeared yet; None for n. A single one
            has only heads.
    """
    return _limited(_exact_factor(weights, owners, num_reaching), limits)


def _limited(factor: float, limits: tuple[float, float]) -> float:
    low, high = limits
    return min(max(factor, low), high)


def _exact_factor(
    weights: Sequence[float], owners: Sequence[int], num_reaching: int | None
) -> float:
    """Return the factor without limits, see :func:`head_factor`."""
    total = num_reaching or 0
    if not 0 < len(owners) < (total if total > 1 else len(weights)):
        return 1.0
    mean = sum(weights[i] for i in owners) / len(owners)
    return 1 / mean if mean > 0 else 1.0


class HeadRule(ABC):
    """Divides the steps of each head by its losses' weights.

    The weights are read at each step, so a change or a resume needs no
    care. A checkpoint, a scheduler and the log see the base learning rate.

    Args:
        optimizer: With one parameter per group.
        parameters: Name to parameter of the model.
        weights: Returns the weights in force.
        limits: Smallest and largest factor.

    Attributes:
        acts_at_step: Whether hooks of the optimizer's step are its means.
    """

    acts_at_step: ClassVar[bool] = False

    def __init__(
        self,
        optimizer: Optimizer,
        parameters: Mapping[str, Parameter],
        weights: WeightSource,
        limits: tuple[float, float],
    ) -> None:
        self.optimizer = optimizer
        self.limits = limits
        self._weights = weights
        self._names = {id(p): name for name, p in parameters.items()}
        self._handles: list[Any] = []
        self._assigned = False
        self._known: _Known | None = None
        self._warned = False
        self.attach()

    @abstractmethod
    def attach(self) -> None:
        """Register what acts at each step in `_handles`."""

    def assign(
        self, owners: Mapping[str, Iterable[int]], keep: bool = False
    ) -> None:
        """Tag each parameter group with the objectives that reach it.

        Args:
            owners: Parameter name to objective indices.
            keep: Whether objectives found earlier are kept besides.
        """
        for group in self.optimizer.param_groups:
            parameter = group['params'][0]
            found = set(owners[self._names[id(parameter)]])
            if keep:
                found |= set(group.get('objectives', ()))
            group['objectives'] = sorted(found)
        self._assigned = True
        self._known = None

    def reaching(self) -> set[int]:
        """Return the objectives that reach any parameter."""
        return {
            i
            for group in self.optimizer.param_groups
            for i in group.get('objectives', ())
        }

    def remove(self) -> None:
        """Stop acting, so that another optimizer may take the model."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _factors(self) -> list[float]:
        """Return the factor of each group, computed after changes only.

        Mode 'grad' asks for them at each gradient. Loading an optimizer's
        state replaces its groups, and so the list of them.
        """
        groups, weights = self.optimizer.param_groups, self._weights()
        known = self._known
        if (
            known is None
            or known.groups is not groups
            or known.weights is not weights
        ):
            reaching = len(self.reaching())
            factors = [self._factor(g, weights, reaching) for g in groups]
            self._known = known = _Known(groups, weights, factors)
        return known.factors

    def _factor(
        self,
        group: Mapping[str, Any],
        weights: Sequence[float],
        reaching: int,
    ) -> float:
        if not self._assigned:
            if any(weight != 1 for weight in weights):
                raise RuntimeError(
                    'Loss weights differ from 1, but which parameters they '
                    'shield is unknown: add a LossWeightingHook (or '
                    'PolicyWeightingHook) to `custom_hooks`, or set '
                    "`head_rule.mode='off'`."
                )
            return 1.0
        owners = group.get('objectives', ())
        exact = _exact_factor(weights, owners, reaching)
        factor = _limited(exact, self.limits)
        if factor != exact and not self._warned:
            self._warned = True
            name = self._names[id(group['params'][0])]
            _warn_of_limits(self.limits, name, exact, factor)
        return factor


def _warn_of_limits(
    limits: tuple[float, float], name: str, exact: float, factor: float
) -> None:
    """Warn of heads whose weights act on their own steps, too."""
    low, high = limits
    print_log(
        f'`head_rule.limits`, {low:g} and {high:g}, hold the factor of '
        f'{name!r} at {factor:g}, where its loss weights ask for {exact:.3g}. '
        f'So its step is {factor / exact:.3g} times that of a head with '
        'weight 1. Set wider limits, or leave the loss out of `objectives`. '
        'This is said once, for the first head.',
        logger='current',
        level=logging.WARNING,
    )


class _Known(NamedTuple):
    """Factors, and what they were computed from."""

    groups: list[dict[str, Any]]
    weights: tuple[float, ...]
    factors: list[float]


class LearningRateHeadRule(HeadRule):
    """The paper's rule: the learning rate is multiplied by 1/weight.

    Exact for SGD without momentum, decay and clipping. Momentum was gathered
    under the weights of earlier steps and is divided by the present ones: a
    weight that falls from 5 to 0.2 makes the next step 23 times as long.
    Weight decay is scaled too, and optimizers that divide by the gradient's
    size are left with the factor alone; `mode='grad'` is exact for all.
    """

    acts_at_step = True

    def attach(self) -> None:
        if type(self.optimizer).__name__ != 'SGD':
            print_log(
                'A head rule by learning rates with optimizer '
                f'{type(self.optimizer).__name__}: its step may not grow '
                "with the gradient; `mode='grad'` is exact for any optimizer.",
                logger='current',
                level=logging.WARNING,
            )
        self._base: list[float] = []
        self._handles += [
            self.optimizer.register_step_pre_hook(self._scale),
            self.optimizer.register_step_post_hook(self._unscale),
        ]

    def _scale(self, optimizer: Optimizer, *_: Any) -> None:
        self._unscale(optimizer)  # after a step that raised
        factors = self._factors()
        self._base = [group['lr'] for group in optimizer.param_groups]
        for group, factor in zip(
            optimizer.param_groups, factors, strict=False
        ):
            group['lr'] = group['lr'] * factor  # may be a tensor

    def _unscale(self, optimizer: Optimizer, *_: Any) -> None:
        for group, rate in zip(
            optimizer.param_groups, self._base, strict=False
        ):
            group['lr'] = rate
        self._base = []


class CorrectedLearningRateHeadRule(LearningRateHeadRule):
    """The paper's rule with momentum kept in the units of its own steps.

    Where a factor changes from a to b, the momentum of SGD is multiplied by
    a/b, so that its part of the step stays what it was; known as momentum
    correction (arXiv 1706.02677). Exact for SGD with any momentum, without
    decay and clipping.
    """

    def _scale(self, optimizer: Optimizer, *_: Any) -> None:
        super()._scale(optimizer)
        for group, factor in zip(
            optimizer.param_groups, self._factors(), strict=False
        ):
            # Absent in the states of runs that had another mode.
            before = group.get(_LAST_FACTOR, factor)
            if before != factor:
                state = optimizer.state.get(group['params'][0], {})
                momentum = state.get('momentum_buffer')
                if momentum is not None:
                    momentum.mul_(before / factor)
            group[_LAST_FACTOR] = factor


class GradientHeadRule(HeadRule):
    """Divides the gradients of heads by the weights, before clipping."""

    def attach(self) -> None:
        reaching = len(self.reaching())
        for index, group in enumerate(self.optimizer.param_groups):
            parameter = group['params'][0]
            if parameter.requires_grad and self._may_shield(group, reaching):
                self._handles.append(
                    parameter.register_hook(self._scaler(index))
                )

    def _may_shield(self, group: Mapping[str, Any], reaching: int) -> bool:
        # A hook costs some microseconds even where the factor is always 1.
        if not self._assigned:
            return True
        twos = [2.0] * len(self._weights())
        owners = group.get('objectives', ())
        return head_factor(twos, owners, self.limits, reaching) != 1

    def _scaler(self, index: int) -> Callable[[Tensor], Tensor | None]:
        # By index: loading an optimizer's state replaces its groups.
        def scale(gradient: Tensor) -> Tensor | None:
            factor = self._factors()[index]
            return None if factor == 1 else gradient * factor

        return scale


class NoHeadRule(HeadRule):
    """Leaves the heads alone: weights act on heads and trunk."""

    def attach(self) -> None:
        pass


HEAD_RULES: dict[str, type[HeadRule]] = {
    'lr': LearningRateHeadRule,
    'corrected_lr': CorrectedLearningRateHeadRule,
    'grad': GradientHeadRule,
    'off': NoHeadRule,
}
