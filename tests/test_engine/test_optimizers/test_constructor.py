import copy

import pytest
import torch
from mmengine.optim import (
    DefaultOptimWrapperConstructor,
    build_optim_wrapper,
)
from mmengine.registry import MODELS, OPTIM_WRAPPER_CONSTRUCTORS
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
    message = r"Set it; with it, `head_rule=dict\(mode='off'\)`"
    with pytest.raises(ValueError, match=message):
        head_rule_of(plain)


def frozen_model():
    model = MODELS.build(copy.deepcopy(toy.MODEL))
    model.head_b.requires_grad_(False)
    return model


def names_of(model, optimizer):
    names = {id(p): n for n, p in model.named_parameters()}
    return [names[id(g['params'][0])] for g in optimizer.param_groups]


def rates_of(model, optimizer):
    rates = [group['lr'] for group in optimizer.param_groups]
    return dict(zip(names_of(model, optimizer), rates, strict=True))


def test_frozen_parameters_are_in_the_optimizer_in_their_place():
    model = frozen_model()
    built = build_optim_wrapper(model, copy.deepcopy(toy.OPTIM_WRAPPER))
    names = names_of(model, built.optimizer)
    assert names == [name for name, _ in model.named_parameters()]
    assert all(len(g['params']) == 1 for g in built.optimizer.param_groups)


def test_a_checkpoint_fits_whatever_was_frozen():
    first = frozen_model()
    built = build_optim_wrapper(first, copy.deepcopy(toy.OPTIM_WRAPPER))
    for p in first.parameters():
        p.grad = torch.ones_like(p) if p.requires_grad else None
    built.optimizer.step()
    second = MODELS.build(copy.deepcopy(toy.MODEL))
    other = build_optim_wrapper(second, copy.deepcopy(toy.OPTIM_WRAPPER))
    other.load_state_dict(built.state_dict())
    momenta = {
        name: other.optimizer.state[p].get('momentum_buffer')
        for name, p in second.named_parameters()
    }
    for name, parameter in first.named_parameters():
        kept = built.optimizer.state[parameter].get('momentum_buffer')
        if kept is None:
            assert momenta[name] is None
        else:
            assert torch.equal(momenta[name], kept)


def test_all_may_be_frozen():
    model = MODELS.build(copy.deepcopy(toy.MODEL)).requires_grad_(False)
    built = build_optim_wrapper(model, copy.deepcopy(toy.OPTIM_WRAPPER))
    assert len(built.optimizer.param_groups) == 10


def test_a_checkpoint_without_frozen_parameters_is_taken():
    """Up to version 0.1.0 they were left out."""
    model = frozen_model()
    built = build_optim_wrapper(model, copy.deepcopy(toy.OPTIM_WRAPPER))
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    built.optimizer.step()
    state = copy.deepcopy(built.state_dict())
    names = names_of(model, built.optimizer)
    left = [i for i, n in enumerate(names) if not n.startswith('head_b')]
    momentum = state['state'][names.index('rpn.bias')]['momentum_buffer']
    state['param_groups'] = [
        dict(state['param_groups'][i], params=[k]) for k, i in enumerate(left)
    ]
    state['state'] = {k: state['state'][i] for k, i in enumerate(left)}
    other = build_optim_wrapper(
        frozen_model(), copy.deepcopy(toy.OPTIM_WRAPPER)
    )
    other.load_state_dict(state)
    groups = other.optimizer.param_groups
    assert len(groups) == 10
    kept = other.optimizer.state[groups[-1]['params'][0]]
    assert torch.equal(kept['momentum_buffer'], momentum)


def test_a_checkpoint_of_another_constructor_is_refused_by_name():
    model = MODELS.build(copy.deepcopy(toy.MODEL))
    plain = build_optim_wrapper(model, config())
    built = build_optim_wrapper(model, copy.deepcopy(toy.OPTIM_WRAPPER))
    with pytest.raises(ValueError, match='Found 1, .*`load_from` and not'):
        built.load_state_dict(plain.state_dict())


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class HalvesHeads(DefaultOptimWrapperConstructor):
    """Groups parameters in two, as those of layer-wise decay do."""

    def add_params(self, params, module, **kwargs):
        for rate, heads in ((1.0, False), (self.paramwise_cfg['rate'], True)):
            named = [
                (n, p)
                for n, p in module.named_parameters()
                if n.startswith('head') is heads
            ]
            params.append(
                dict(
                    params=[p for _, p in named],
                    param_names=[n for n, _ in named],
                    lr=rate * self.base_lr,
                )
            )


def test_another_constructor_keeps_its_rates():
    model = MODELS.build(copy.deepcopy(toy.MODEL))
    built = build_optim_wrapper(
        model,
        {
            **toy.OPTIM_WRAPPER,
            'base_constructor': dict(type='HalvesHeads'),
            'paramwise_cfg': dict(rate=0.5),
        },
    )
    rates = rates_of(model, built.optimizer)
    assert rates.pop('head_a.weight') == rates.pop('head_b.weight') == 0.025
    assert rates.pop('head_a.bias') == rates.pop('head_b.bias') == 0.025
    assert set(rates.values()) == {0.05}
    for group in built.optimizer.param_groups:
        assert group['param_names'] == [
            n for n, p in model.named_parameters() if p is group['params'][0]
        ]


def test_mmdets_layer_wise_decay_keeps_its_rates():
    model = MODELS.build(
        dict(
            type='LossWeightWrapper',
            objectives=dict(a='loss_a', b='loss_b'),
            detector=dict(type='ConvNeXtDetector'),
        )
    )
    options = {
        **toy.OPTIM_WRAPPER,
        'optimizer': dict(type='AdamW', lr=0.1, weight_decay=0.05),
        'paramwise_cfg': dict(
            decay_rate=0.7, decay_type='layer_wise', num_layers=6
        ),
    }
    kind = 'mmdet.LearningRateDecayOptimizerConstructor'
    built = build_optim_wrapper(
        model, {**options, 'base_constructor': dict(type=kind)}
    )
    rates = rates_of(model, built.optimizer)
    # Layer 0 of 6 + 2: 0.7 to the power of 7; outside of the backbone: 1.
    stem = rates['backbone.downsample_layers.0.0.weight']
    assert stem == pytest.approx(0.1 * 0.7**7)
    assert rates['head_a.weight'] == pytest.approx(0.1)
    with pytest.raises(ValueError, match="'decay_rate'.*`optim_wrapper.base"):
        build_optim_wrapper(model, copy.deepcopy(options))


class ConvNeXt(nn.Module):
    """Has the names that the constructor reads."""

    def __init__(self):
        super().__init__()
        self.downsample_layers = nn.ModuleList(
            [nn.Sequential(nn.Linear(1, 1))]
        )


@MODELS.register_module()
class ConvNeXtDetector(toy.ToyDetector):
    """With a backbone of that name."""

    def __init__(self):
        super().__init__()
        self.backbone = ConvNeXt()


def test_several_optimizers_are_refused_by_name():
    model = MODELS.build(copy.deepcopy(toy.MODEL))
    one = dict(type='OptimWrapper', optimizer=dict(type='SGD', lr=0.1))
    with pytest.raises(TypeError, match='several: generator, critic'):
        build_optim_wrapper(
            model,
            dict(
                constructor='HeadRuleOptimWrapperConstructor',
                generator=one,
                critic=one,
            ),
        )


@pytest.mark.parametrize(
    'given',
    [
        dict(optim_wrapper_cfg=3),
        dict(optim_wrapper_cfg=config(), paramwise_cfg=3),
        dict(
            optim_wrapper_cfg=config(),
            paramwise_cfg=dict(custom_keys=['head']),
        ),
        dict(
            optim_wrapper_cfg=config(optimizer=dict(type='SGD', lr=0.1)),
            paramwise_cfg=dict(norm_decay_mult=0.0),
        ),
        dict(optim_wrapper_cfg=dict(type='OptimWrapper')),
    ],
)
def test_wrong_options_raise_what_mmengine_raises(given):
    def error(kind):
        with pytest.raises(Exception) as found:
            kind(**copy.deepcopy(given))
        return type(found.value), str(found.value)

    own = error(HeadRuleOptimWrapperConstructor)
    assert own == error(DefaultOptimWrapperConstructor)
