"""The optimizer-wrapper constructor that sets up the head rule."""

from __future__ import annotations

import contextlib
import copy
import itertools
import math
from collections.abc import Iterator
from typing import Any

import torch
from mmengine.optim import (
    ApexOptimWrapper,
    DefaultOptimWrapperConstructor,
    OptimWrapper,
    OptimWrapperDict,
    ZeroRedundancyOptimizer,
)
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn
from torch.optim import Optimizer

from mmada.engine.optimizers.head_rule import HEAD_RULES, HeadRule
from mmada.engine.training_features import step_outside_of_graphs
from mmada.models import inner_model

_PARAMWISE_OPTIONS = frozenset(
    {
        'base_lr',
        'bias_decay_mult',
        'bias_lr_mult',
        'bypass_duplicate',
        'custom_keys',
        'dcn_offset_lr_mult',
        'dwconv_decay_mult',
        'flat_decay_mult',
        'norm_decay_mult',
    }
)


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class HeadRuleOptimWrapperConstructor:
    """Builds an optimizer wrapper whose steps follow the head rule.

    Another constructor builds it, MMEngine's default one or
    `base_constructor`, with the user's `paramwise_cfg`. Then each parameter
    becomes a group of its own, with the options that it had, since the
    objectives that reach it are only known once the model has seen a batch.

    Args:
        optim_wrapper_cfg: As in MMEngine, plus `head_rule`, a dict of `mode`
            ('lr', 'corrected_lr', 'grad' or 'off'; defaults to 'lr') and
            `limits`, the smallest and largest factor (defaults to
            (0.01, 100)), and `base_constructor`, the config of another
            constructor, such as
            `dict(type='LearningRateDecayOptimizerConstructor')`.
        paramwise_cfg: As the constructor that builds it wants it.

    Raises:
        TypeError: If there are several optimizers.
        ValueError: If an option of `head_rule` does not fit, or one of
            `paramwise_cfg` is unknown to MMEngine's default constructor.
    """

    def __init__(
        self,
        optim_wrapper_cfg: dict[str, Any],
        paramwise_cfg: dict[str, Any] | None = None,
    ) -> None:
        config, rule, base = optim_wrapper_cfg, {}, None
        if isinstance(config, dict):  # else MMEngine says so
            config = copy.copy(config)
            rule = config.pop('head_rule', {})
            base = config.pop('base_constructor', None)
            _check_single(config)
            _check_apex(config.get('type'))
        self.mode, self.limits = _parse_head_rule(rule)
        if base is None:
            base = dict(type=DefaultOptimWrapperConstructor)
            if paramwise_cfg and isinstance(paramwise_cfg, dict):
                _check_paramwise(paramwise_cfg)
                # One that modules share is trained once, as without options.
                paramwise_cfg = dict(bypass_duplicate=True) | paramwise_cfg
        self.base: Any = OPTIM_WRAPPER_CONSTRUCTORS.build(
            base,
            default_args=dict(
                optim_wrapper_cfg=config, paramwise_cfg=paramwise_cfg
            ),
        )

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Build the wrapper; its `head_rule` awaits the ownership."""
        optim_wrapper = self.base(model)
        if isinstance(optim_wrapper, OptimWrapperDict):
            raise TypeError(
                '`optim_wrapper` should hold one optimizer, whose groups the '
                'head rule scales. Found several: '
                f'{", ".join(optim_wrapper.keys())}.'
            )
        divide_groups(optim_wrapper)
        step_outside_of_graphs(optim_wrapper)
        inner = inner_model(model)
        optim_wrapper.head_rule = HEAD_RULES[self.mode](
            optim_wrapper.optimizer,
            dict(inner.named_parameters()),
            lambda: _weights_of(inner),
            self.limits,
        )
        return optim_wrapper


def divide_groups(optim_wrapper: OptimWrapper) -> None:
    """Make each parameter a group of its own, with the options it had.

    The order is that of the optimizer, whatever is frozen, so that a
    checkpoint can be resumed with other parameters frozen. Up to version
    0.1.0 frozen ones were left out, and a checkpoint from then has a shorter
    list.

    Args:
        optim_wrapper: New, its optimizer without a state.

    Raises:
        ValueError: If its groups cannot be divided.
    """
    optimizer = optim_wrapper.optimizer
    if isinstance(optimizer, ZeroRedundancyOptimizer):
        raise ValueError(
            '`optim_wrapper.optimizer.type` should be an optimizer that holds '
            'all parameters, since each becomes a group of its own. '
            "Found 'ZeroRedundancyOptimizer'."
        )
    optim_wrapper.base_group_sizes = [
        len(group['params']) for group in optimizer.param_groups
    ]
    optimizer.param_groups[:] = [
        part for group in optimizer.param_groups for part in _divided(group)
    ]
    if optim_wrapper.base_param_settings is None:
        # As MMEngine does for more than one group: what is logged as the
        # base learning rate, which no head has.
        optim_wrapper.base_param_settings = dict(
            params=torch.tensor([0.0]), **optimizer.defaults
        )
    optimizer.register_load_state_dict_pre_hook(_fit_groups)


def _divided(group: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a group for each parameter, with its own name if there is one."""
    names = group.get('param_names', ())
    for index, parameter in enumerate(group['params']):
        named = dict(param_names=[names[index]]) if names else {}
        yield {**group, **named, 'params': [parameter]}


def _fit_groups(
    optimizer: Optimizer, state: dict[str, Any]
) -> dict[str, Any] | None:
    """Add what an earlier version left out, or say why it does not fit."""
    stored, own = state['param_groups'], optimizer.param_groups
    if len(stored) == len(own):
        return None
    trained = [_is_trained(group) for group in own]
    single = all(len(group['params']) == 1 for group in stored)
    if not single or len(stored) != sum(trained):
        raise ValueError(
            '`optim_wrapper` should be that of the checkpoint to resume it: '
            f'HeadRuleOptimWrapperConstructor makes {len(own)} parameter '
            f'groups of this model. Found {len(stored)}, as of a run without '
            'it or of another model. To start from the weights of such a '
            'checkpoint, set `load_from` and not `resume`.'
        )
    rest, unused = iter(stored), itertools.count(len(stored))
    groups = [
        next(rest) if known else {**group, 'params': [next(unused)]}
        for group, known in zip(own, trained, strict=True)
    ]
    return {**state, 'param_groups': groups}


def _is_trained(group: dict[str, Any]) -> bool:
    return any(parameter.requires_grad for parameter in group['params'])


def _weights_of(model: nn.Module) -> tuple[float, ...]:
    """Return the weights in force.

    Raises:
        RuntimeError: If nothing weighs the losses of the model.
    """
    state = getattr(model, 'objective_weights', None)
    if state is None:
        raise RuntimeError(
            '`optim_wrapper.constructor` should be left out where no loss is '
            'weighted. Found HeadRuleOptimWrapperConstructor, but neither a '
            'weighting hook in `custom_hooks` nor a `model` of type '
            'LossWeightWrapper. A list of hooks replaces that of the base '
            'config: begin it with `*_base_.custom_hooks` to keep those.'
        )
    return () if state.bound is None else state.values


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
            'Found another one. Set it; with it, '
            "`head_rule=dict(mode='off')` leaves the heads unshielded."
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


def _check_single(config: dict[str, Any]) -> None:
    several = [
        name
        for name, value in config.items()
        if isinstance(value, dict) and 'optimizer' in value
    ]
    if several and 'optimizer' not in config:
        raise TypeError(
            '`optim_wrapper` should hold one optimizer, whose groups the head '
            f'rule scales. Found several: {", ".join(several)}.'
        )


def _check_paramwise(config: dict[str, Any]) -> None:
    # MMEngine drops what it does not know.
    unknown = sorted(set(config) - _PARAMWISE_OPTIONS)
    if unknown:
        raise ValueError(
            "`paramwise_cfg` should have options of MMEngine's default "
            f'constructor. Found {", ".join(map(repr, unknown))}. Where they '
            'belong to another constructor, name that one in '
            '`optim_wrapper.base_constructor`, such as '
            "`dict(type='LearningRateDecayOptimizerConstructor')`."
        )


def _parse_head_rule(
    config: dict[str, Any],
) -> tuple[str, tuple[float, float]]:
    if not isinstance(config, dict):
        raise ValueError(
            "`head_rule` should be a dict, such as `dict(mode='grad')`. "
            f'Found {config!r}.'
        )
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
    limits = config.get('limits', (0.01, 100.0))
    try:
        low, high = map(float, limits)
    except (TypeError, ValueError):
        low = high = math.nan
    if not 0 < low <= 1 <= high:
        raise ValueError(
            '`head_rule.limits` should be two numbers, 0 < smallest <= 1 <= '
            f'largest. Found {limits!r}.'
        )
    return mode, (low, high)
