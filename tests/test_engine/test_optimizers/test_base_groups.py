"""A hook that knows parameter groups by position sees the base groups."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.hooks import ParamSchedulerHook
from mmengine.optim import OptimWrapper
from mmengine.registry import HOOKS, OPTIM_WRAPPER_CONSTRUCTORS
from torch import nn

from mmada.engine.optimizers import (
    HeadRuleOptimWrapperConstructor,
    show_whole_groups,
)
from mmada.engine.optimizers.base_groups import whole_groups
from tests.support import toy


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class WeightsThenBiases:
    """Makes three groups, as that of YOLOv5; the second may be empty."""

    def __init__(
        self, optim_wrapper_cfg: Any, paramwise_cfg: Any = None
    ) -> None:
        self.rate = optim_wrapper_cfg['optimizer']['lr']

    def __call__(self, model: nn.Module) -> OptimWrapper:
        weights, biases = [], []
        for name, parameter in model.named_parameters():
            (biases if name.endswith('bias') else weights).append(parameter)
        groups = [dict(params=weights), dict(params=[]), dict(params=biases)]
        optimizer = torch.optim.SGD(groups, lr=self.rate, momentum=0.9)
        return OptimWrapper(optimizer)


SEEN: list[tuple[int, list[float]]] = []


@HOOKS.register_module()
class RateOfThirdGroupHook(ParamSchedulerHook):
    """Raises the learning rate of the third group, that of the biases."""

    priority = 'VERY_HIGH'  # as that of YOLOv5: before what looks ahead
    in_replicas = 'stateful'

    def before_train(self, runner: Any) -> None:
        self.base = [
            g['lr'] for g in runner.optim_wrapper.optimizer.param_groups
        ]

    def before_train_iter(
        self, runner: Any, batch_idx: int, data_batch: Any = None
    ) -> None:
        groups = runner.optim_wrapper.optimizer.param_groups
        SEEN.append((len(groups), [group['lr'] for group in groups]))
        for index, group in enumerate(groups):
            # Of NumPy, as what its `interp` returns.
            factor = np.float64(2 if index == 2 else 1)
            group['lr'] = self.base[index] * factor


OPTIM = dict(
    type='OptimWrapper',
    constructor='HeadRuleOptimWrapperConstructor',
    base_constructor=dict(type='WeightsThenBiases'),
    optimizer=dict(type='SGD', lr=0.01),
)


def test_the_third_group_is_that_of_the_biases(tmp_path: Path) -> None:
    SEEN.clear()
    hook = dict(
        type='LossWeightingHook', weighting=dict(type='InverseLossWeighting')
    )
    runner = toy.runner(
        tmp_path,
        optim_wrapper=OPTIM,
        param_scheduler=None,
        default_hooks=dict(param_scheduler=dict(type='RateOfThirdGroupHook')),
        custom_hooks=[hook],
    )
    model = runner.train()
    assert SEEN[0] == (3, [0.01] * 3)
    assert SEEN[-1] == (3, [0.01, 0.01, 0.02])
    names = {id(p): name for name, p in model.named_parameters()}
    rates = {
        names[id(group['params'][0])]: group['lr']
        for group in runner.optim_wrapper.optimizer.param_groups
    }
    assert len(rates) == len(names)
    for name, rate in rates.items():
        assert rate == (0.02 if name.endswith('bias') else 0.01), name


@pytest.mark.parametrize(
    ('train_cfg', 'custom_hooks'),
    [
        (
            dict(
                type='ExploreThenTrainLoop',
                training=dict(by_epoch=True, max_epochs=1),
                exploration=toy.exploration(num_rounds=1),
            ),
            [dict(type='PolicyWeightingHook', mode='pred')],
        ),
        (toy.exploration(num_rounds=1), []),
    ],
)
def test_so_it_does_in_the_replicas_of_a_search(
    tmp_path: Path,
    train_cfg: dict[str, Any],
    custom_hooks: list[dict[str, Any]],
) -> None:
    SEEN.clear()
    runner = toy.runner(
        tmp_path,
        optim_wrapper=OPTIM,
        param_scheduler=None,
        default_hooks=dict(param_scheduler=dict(type='RateOfThirdGroupHook')),
        custom_hooks=custom_hooks,
        train_cfg=train_cfg,
    )
    runner.train()
    assert {groups for groups, _ in SEEN} == {3}
    assert [0.01, 0.01, 0.02] in [rates for _, rates in SEEN]
    kinds = [type(hook) for hook in runner.hooks]
    show_whole_groups(runner.hooks)
    assert [type(hook) for hook in runner.hooks] == kinds  # not twice


def test_what_is_not_set_stays_that_of_each_parameter() -> None:
    wrapper = HeadRuleOptimWrapperConstructor(OPTIM)(nn.Linear(2, 1))
    wrapper.optimizer.param_groups[0]['objectives'] = [1]
    with whole_groups(wrapper):
        wrapper.optimizer.param_groups[0]['momentum'] = 0.5
    first, second = wrapper.optimizer.param_groups
    assert (first['momentum'], second['momentum']) == (0.5, 0.9)
    assert first['objectives'] == [1]
    assert 'objectives' not in second


def test_the_groups_come_back_where_a_hook_fails() -> None:
    wrapper = HeadRuleOptimWrapperConstructor(OPTIM)(nn.Linear(2, 1))
    groups = wrapper.optimizer.param_groups
    with pytest.raises(RuntimeError), whole_groups(wrapper):
        raise RuntimeError
    assert wrapper.optimizer.param_groups is groups
