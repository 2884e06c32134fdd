"""Factors are computed anew when what they depend on has changed."""

import copy

import pytest

from mmada.engine.optimizers import head_rule_of

from .test_head_rule import OWNERS, build, step, values


def moved_by_a_step(model, optim_wrapper):
    before = values(model)
    step(model, optim_wrapper)
    return [a - b for a, b in zip(before, values(model), strict=True)]


@pytest.fixture(params=['lr', 'grad'])
def built(request):
    model, optim_wrapper = build(request.param)
    model.objective_weights.set([2.0, 4.0])
    step(model, optim_wrapper)
    return model, optim_wrapper


def test_after_other_weights(built):
    model, _ = built
    model.objective_weights.set([0.5, 8.0])
    trunk = model.trunk.item()
    assert moved_by_a_step(*built)[1:] == pytest.approx([0.1 * trunk] * 2)


def test_after_other_owners(built):
    model, optim_wrapper = built
    everywhere = {name: (0, 1) for name in OWNERS}
    head_rule_of(optim_wrapper).assign(everywhere)
    trunk = model.trunk.item()
    assert moved_by_a_step(*built)[1:] == pytest.approx(
        [0.1 * 2 * trunk, 0.1 * 4 * trunk]
    )


def test_after_a_state_with_other_owners_is_loaded(built):
    model, optim_wrapper = built
    state = copy.deepcopy(optim_wrapper.state_dict())
    for group in state['param_groups']:
        group['objectives'] = [0, 1]
    optim_wrapper.load_state_dict(state)
    trunk = model.trunk.item()
    assert moved_by_a_step(*built)[1:] == pytest.approx(
        [0.1 * 2 * trunk, 0.1 * 4 * trunk]
    )
