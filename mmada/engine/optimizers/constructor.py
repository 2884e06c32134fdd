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
        _check_apex(optim_wrapper_cfg.get('type'))
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
                '`model.type` should be LossWeightWrapper, since '
                '`optim_wrapper.constructor` is '
                'HeadRuleOptimWrapperConstructor. '
                f'Found {type(inner).__name__}.'
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
            '`optim_wrapper.constructor` should be '
            "'HeadRuleOptimWrapperConstructor', which loss weights need. "
            "Found another constructor. Set `head_rule=dict(mode='off')` to "
            'leave the heads unshielded.'
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


def _check_apex(kind: Any) -> None:
    if kind in ('ApexOptimWrapper', ApexOptimWrapper):
        raise ValueError(
            "`optim_wrapper.type` should be 'AmpOptimWrapper', which does the "
            "same. Found 'ApexOptimWrapper', whose scale belongs to the "
            'process and not to a replica or an optimizer.'
        )


def _parse_head_rule(
    config: dict[str, Any],
) -> tuple[str, tuple[float, float]]:
    unknown = sorted(set(config) - {'mode', 'limits'})
    if unknown:
        raise ValueError(
            '`head_rule` should have the options `mode` and `limits` only. '
            f'Found {unknown}.'
        )
    mode = config.get('mode', 'lr')
    if mode not in HEAD_RULES:
        raise ValueError(
            '`head_rule.mode` should be one of '
            f'{", ".join(map(repr, HEAD_RULES))}. Found {mode!r}.'
        )
    low, high = config.get('limits', (0.01, 100.0))
    if not 0 < low <= 1 <= high:
        raise ValueError(
            '`head_rule.limits` should be two numbers, 0 < smallest <= 1 <= '
            f'largest. Found {(low, high)}.'
        )
    return mode, (float(low), float(high))
