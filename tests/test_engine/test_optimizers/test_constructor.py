import copy

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS
from torch import nn

from mmada.engine import HeadRuleOptimWrapperConstructor
from mmada.engine.optimizers import head_rule_of
from tests.support import toy
from tests.test_engine import lives


def config(**options):
    found = copy.deepcopy({**toy.OPTIM_WRAPPER, **options})
    del found['constructor']
    return found


def test_the_config_is_left_as_it_is():
    given = config(head_rule=dict(mode='grad'))
    kept = copy.deepcopy(given)
    HeadRuleOptimWrapperConstructor(given)
    assert given == kept


def test_the_learning_rate_rule_and_wide_limits_are_the_default():
    constructor = HeadRuleOptimWrapperConstructor(config())
    assert (constructor.mode, constructor.limits) == ('lr', (0.01, 100.0))


@pytest.mark.parametrize('limits', [(0.5, 2.0), (0.01, 100.0)])
def test_limits_bound_the_factor_of_a_head(limits):
    live = lives.build(
        optimizer=dict(type='SGD', lr=1.0), head_rule=dict(limits=limits)
    )
    weight = live.model.head_a.weight
    moved = []
    for value in (1.0, 10.0):
        live.model.objective_weights.set([value, 1.0])
        before = weight.detach().clone()
        weight.grad = torch.ones_like(weight)
        live.optim_wrapper.optimizer.step()
        moved.append((before - weight.detach()).mean().item())
    # Weight 10 asks for a tenth; a half is the least that may be left.
    assert moved[1] / moved[0] == pytest.approx(max(0.1, limits[0]), rel=1e-3)


@pytest.mark.parametrize('paramwise', [None, dict(norm_decay_mult=0.0)])
def test_a_parameter_that_modules_share_is_one_group(paramwise):
    model = MODELS.build(copy.deepcopy(toy.MODEL))
    model.rpn = nn.Sequential(model.head_a)
    constructor = HeadRuleOptimWrapperConstructor(config(), paramwise)
    groups = constructor(model).optimizer.param_groups
    assert len(groups) == len(list(model.parameters())) == 8
    decays = {group['weight_decay'] for group in groups}
    assert decays == ({1e-4} if paramwise is None else {1e-4, 0.0})


def test_a_part_that_was_frozen_later_needs_no_care():
    live = lives.build(head_rule=dict(mode='grad'))
    rule = head_rule_of(live.optim_wrapper)
    rule.remove()
    live.model.rpn.requires_grad_(False)
    rule.attach()
    before = live.model.rpn.weight.detach().clone()
    assert lives.train(live, [2.0, 0.5]) is not None
    assert torch.equal(live.model.rpn.weight, before)


def test_a_wrapper_built_otherwise_has_no_rule():
    model = MODELS.build(copy.deepcopy(toy.MODEL))
    plain = build_optim_wrapper(model, config())
    with pytest.raises(ValueError, match="head_rule=dict\\(mode='off'\\)"):
        head_rule_of(plain)
