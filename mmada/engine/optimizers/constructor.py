"""The optimizer-wrapper constructor that sets up the head rule."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from mmengine.optim import (
    ApexOptimWrapper,
    DefaultOptimWrapperConstructor,
    OptimWrapper,
)
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from mmada.engine.optimizers.head_rule import HEAD_RULES, HeadRule
from mmada.engine.training_features import step_outside_of_graphs


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class HeadRuleOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Builds an optimizer wrapper whose steps follow the head rule.

    It works on top of the user's `paramwise_cfg`. Each parameter is a group
    of its own, as with any `paramwise_cfg` of MMEngine, since the objectives
    that reach it are only known once the model has seen a batch.

    Args:
        optim_wrapper_cfg: As in MMEngine, plus `head_rule`, a dict of `mode`
            ('lr', 'grad' or 'off'; defaults to 'lr') and `limits`, the
            smallest and largest factor (defaults to (0.01, 100)).
        paramwise_cfg: As in MMEngine.

    Raises:
        ValueError: If an option of `head_rule` does not fit.
    """

    def __init__(
        self,
        optim_wrapper_cfg: dict[str, Any],
        paramwise_cfg: dict[str, Any] | None = None,
    ) -> None:
        optim_wrapper_cfg = dict(optim_wrapper_cfg)
        _refuse_apex(optim_wrapper_cfg.get('type'))
        self.mode, self.limits = _parse_head_rule(
            optim_wrapper_cfg.pop('head_rule', {})
        )
        # A non-empty config makes MMEngine put each parameter in a group. One
        # that modules share is trained once, as without any config.
        super().__init__(
            optim_wrapper_cfg,
            dict(bypass_duplicate=True) | dict(paramwise_cfg or {}),
        )

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Build the wrapper; its `head_rule` awaits the ownership."""
        optim_wrapper = super().__call__(model)
        step_outside_of_graphs(optim_wrapper)
        inner: Any = getattr(model, 'module', model)
        if not hasattr(inner, 'set_weights'):
            raise TypeError(
                f'`model.type` is {type(inner).__name__}; '
                'HeadRuleOptimWrapperConstructor expected LossWeightWrapper.'
            )
        optim_wrapper.head_rule = HEAD_RULES[self.mode](
            optim_wrapper.optimizer,
            dict(inner.named_parameters()),
            lambda: inner.weights,
            self.limits,
        )
        return optim_wrapper


def head_rule_of(optim_wrapper: OptimWrapper) -> HeadRule:
    """Return the head rule of an optimizer wrapper.

    Raises:
        ValueError: If the wrapper was built without one.
    """
    rule = getattr(optim_wrapper, 'head_rule', None)
    if rule is None:
        raise ValueError(
            '`optim_wrapper.constructor` is not '
            "'HeadRuleOptimWrapperConstructor', which loss weights need: set "
            "it (head_rule=dict(mode='off') leaves the heads unshielded)."
        )
    return rule


def remove_head_rule(optim_wrapper: OptimWrapper) -> None:
    """End what a head rule does, if there is one."""
    rule = getattr(optim_wrapper, 'head_rule', None)
    if rule is not None:
        rule.remove()


@contextlib.contextmanager
def suspended_head_rule(optim_wrapper: OptimWrapper) -> Iterator[None]:
    """End what a head rule does, if there is one, for a while."""
    remove_head_rule(optim_wrapper)
    try:
        yield
    finally:
        rule = getattr(optim_wrapper, 'head_rule', None)
        if rule is not None:
            rule.attach()


def _refuse_apex(kind: Any) -> None:
    if kind in ('ApexOptimWrapper', ApexOptimWrapper):
        raise ValueError(
            "`optim_wrapper.type` is 'ApexOptimWrapper', whose scale belongs "
            'to the process and not to a replica or an optimizer; expected '
            "'AmpOptimWrapper', which does the same."
        )


def _parse_head_rule(
    config: dict[str, Any],
) -> tuple[str, tuple[float, float]]:
    unknown = sorted(set(config) - {'mode', 'limits'})
    if unknown:
        raise ValueError(
            f'`head_rule` has unknown option(s) {unknown}; '
            'expected `mode` and `limits`.'
        )
    mode = config.get('mode', 'lr')
    if mode not in HEAD_RULES:
        raise ValueError(
            f'`head_rule.mode` is {mode!r}; expected one of '
            f'{", ".join(map(repr, HEAD_RULES))}.'
        )
    low, high = config.get('limits', (0.01, 100.0))
    if not 0 < low <= 1 <= high:
        raise ValueError(
            f'`head_rule.limits` is {(low, high)}; expected '
            '0 < smallest <= 1 <= largest.'
        )
    return mode, (float(low), float(high))
