"""The head rule: its factor, and what it does to an optimizer's step."""

import copy

import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.model import BaseModel
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, PARAM_SCHEDULERS
from torch import nn

from mmada.engine.optimizers import head_rule_of
from mmada.engine.optimizers.head_rule import head_factor
from tests.support import toy

LIMITS = (0.01, 100.0)


@MODELS.register_module()
class TwoHeads(BaseModel):
    """loss_i = head_i * trunk * x: all gradients are worked out by hand."""

    def __init__(self):
        super().__init__()
        self.trunk = nn.Parameter(torch.tensor([1.0]))
        self.heads = nn.ParameterList(
            [nn.Parameter(torch.tensor([v])) for v in (3.0, 5.0)]
        )

    def forward(self, x, mode='loss'):
        return {
            f'loss_{i}': (h * self.trunk * x).sum()
            for i, h in enumerate(self.heads)
        }


OWNERS = {
    'trunk': (0, 1),
    'heads.0': (0,),
    'heads.1': (1,),
}


def build(mode='lr', optimizer=None, **options):
    model = MODELS.build(
        dict(
            type='LossWeightWrapper',
            detector=dict(type='TwoHeads'),
            objectives={'0': 'loss_0', '1': 'loss_1'},
        )
    )
    config = dict(
        type='OptimWrapper',
        constructor='HeadRuleOptimWrapperConstructor',
        head_rule=dict(mode=mode),
        optimizer=optimizer or dict(type='SGD', lr=0.1),
        **options,
    )
    optim_wrapper = build_optim_wrapper(model, config)
    head_rule_of(optim_wrapper).assign(OWNERS)
    return model, optim_wrapper


def step(model, optim_wrapper, x=1.0):
    model.train_step(dict(x=torch.tensor([x])), optim_wrapper)


def values(model):
    return [p.item() for p in model.parameters()]


@pytest.mark.parametrize('mode', ['lr', 'corrected_lr', 'grad'])
def test_weights_move_the_trunk_alone(mode):
    model, optim_wrapper = build(mode)
    model.objective_weights.set([2.0, 4.0])
    step(model, optim_wrapper)
    # Trunk: 1 - 0.1 (2*3 + 4*5). Heads as with weights of one: h - 0.1 * 1.
    assert values(model) == pytest.approx([-1.6, 2.9, 4.9])


SGD = [
    dict(momentum=0.9),
    dict(momentum=0.9, nesterov=True),
    dict(momentum=0.9, dampening=0.5),
    dict(momentum=0.9, weight_decay=0.1),
]
# Of each step: constant within a round, five times and a fifth between them.
JUMPS = [(5.0, 1.0)] * 4 + [(0.2, 3.0)] * 4 + [(1.0, 0.5)] * 4


def plain_sgd(weights, momentum, dampening=0.0, nesterov=False, decay=0.0):
    """Trains by numbers: the trunk by weights, the heads as without any.

    A head's decay is divided by its weight, as its learning rate is.
    """
    found, moments = [1.0, 3.0, 5.0], [0.0, 0.0, 0.0]
    for index, pair in enumerate(weights):
        trunk, *heads = found
        slopes = [
            sum(w * h for w, h in zip(pair, heads, strict=True)) * 0.1
            + decay * trunk,
            *(
                trunk * 0.1 + decay / w * h
                for w, h in zip(pair, heads, strict=True)
            ),
        ]
        share = 1 - dampening if index else 1.0
        moments = [
            momentum * m + share * g
            for m, g in zip(moments, slopes, strict=True)
        ]
        steps = [
            g + momentum * m if nesterov else m
            for g, m in zip(slopes, moments, strict=True)
        ]
        found = [v - 0.1 * s for v, s in zip(found, steps, strict=True)]
    return found


@pytest.mark.parametrize('options', SGD)
def test_corrected_momentum_is_that_of_heads_without_weights(options):
    model, optim_wrapper = build(
        'corrected_lr', dict(type='SGD', lr=0.1, **options)
    )
    for weights in JUMPS:
        model.objective_weights.set(weights)
        step(model, optim_wrapper, 0.1)
    renamed = dict(options)
    decay = renamed.pop('weight_decay', 0.0)
    expected = plain_sgd(JUMPS, decay=decay, **renamed)
    assert values(model) == pytest.approx(expected, rel=1e-4)


def test_momentum_as_it_is_makes_a_step_that_is_far_too_long():
    """A weight that falls from 5 to 0.2: 0.9 * 5 + 0.1 * 0.2, times 5."""
    lengths = {}
    for mode in ('lr', 'corrected_lr', 'grad'):
        sgd = dict(type='SGD', lr=1e-3, momentum=0.9)
        model, optim_wrapper = build(mode, sgd)
        model.trunk.requires_grad_(False)  # gradients of heads stay 1
        model.objective_weights.set([5.0, 5.0])
        for _ in range(150):  # momentum is ten gradients by then
            step(model, optim_wrapper)
        model.objective_weights.set([0.2, 0.2])
        before = values(model)[1]
        step(model, optim_wrapper)
        lengths[mode] = before - values(model)[1]
    assert lengths['corrected_lr'] == pytest.approx(lengths['grad'], rel=1e-3)
    ratio = lengths['lr'] / lengths['grad']
    assert ratio == pytest.approx(22.6, rel=0.01)


def test_corrected_momentum_goes_on_after_a_resume():
    sgd = dict(type='SGD', lr=0.1, momentum=0.9)
    whole = build('corrected_lr', sgd)
    state = None
    for index, weights in enumerate(JUMPS):
        if index == 4:  # between two weights
            state = copy.deepcopy(
                [whole[0].state_dict(), whole[1].state_dict()]
            )
        whole[0].objective_weights.set(weights)
        step(*whole, 0.1)
    model, optim_wrapper = build('corrected_lr', sgd)
    model.load_state_dict(state[0])
    optim_wrapper.load_state_dict(state[1])
    for weights in JUMPS[4:]:
        model.objective_weights.set(weights)
        step(model, optim_wrapper, 0.1)
    assert values(model) == values(whole[0])


def test_momentum_of_another_mode_counts_as_corrected():
    sgd = dict(type='SGD', lr=0.1, momentum=0.9)
    first, second = build('lr', sgd), build('corrected_lr', sgd)
    first[0].objective_weights.set([2.0, 4.0])
    step(*first)
    state = copy.deepcopy(first[1].state_dict())
    second[0].load_state_dict(first[0].state_dict())
    second[1].load_state_dict(state)
    second[0].objective_weights.set([2.0, 4.0])
    for each in (first, second):
        step(*each)
    assert values(first[0]) == values(second[0])


def test_off_leaves_the_heads_unshielded():
    model, optim_wrapper = build('off')
    model.objective_weights.set([2.0, 4.0])
    step(model, optim_wrapper)
    assert values(model) == pytest.approx([-1.6, 2.8, 4.6])


def test_grad_mode_is_exact_under_decay_where_lr_mode_scales_it():
    sgd = dict(type='SGD', lr=0.1, weight_decay=1.0)
    results = []
    for mode in ('lr', 'grad'):
        model, optim_wrapper = build(mode, sgd)
        model.objective_weights.set([2.0, 2.0])
        step(model, optim_wrapper)
        results.append(values(model)[1])
    # Head 0: 3 - 0.1 / 2 * (2 * 1 + 3) by lr, 3 - 0.1 * (1 + 3) by gradient.
    assert results == pytest.approx([2.75, 2.6])


def test_grad_mode_acts_before_clipping():
    model, optim_wrapper = build('grad', clip_grad=dict(max_norm=0.1))
    model.objective_weights.set([2.0, 4.0])
    start = values(model)
    step(model, optim_wrapper)
    moved = [a - b for a, b in zip(start, values(model), strict=True)]
    # Proportional to the shielded gradient (26, 1, 1).
    assert moved[0] / moved[1] == pytest.approx(26, rel=1e-3)
    assert moved[0] / moved[2] == pytest.approx(26, rel=1e-3)


def test_grad_mode_is_exact_under_accumulation():
    model, optim_wrapper = build('grad', accumulative_counts=2)
    optim_wrapper.initialize_count_status(model, 0, 10)
    model.objective_weights.set([2.0, 4.0])
    step(model, optim_wrapper)
    step(model, optim_wrapper)
    assert values(model)[1:] == pytest.approx([2.9, 4.9])


def test_lr_mode_warns_for_adam(capsys):
    MMLogger.get_instance('head-rule', logger_name='head-rule')
    build('lr', dict(type='AdamW', lr=0.1))
    assert 'optimizer AdamW' in capsys.readouterr().out
    build('grad', dict(type='AdamW', lr=0.1))
    assert 'AdamW' not in capsys.readouterr().out


@pytest.mark.parametrize('mode', ['lr', 'corrected_lr', 'grad'])
def test_a_weight_beyond_the_limits_is_warned_of_once(mode, capsys):
    MMLogger.get_instance(f'limits-{mode}', logger_name=f'limits-{mode}')
    model, optim_wrapper = build(mode)
    model.objective_weights.set([1.0, 100.0])
    step(model, optim_wrapper)
    assert 'limits' not in capsys.readouterr().out
    model.objective_weights.set([1.0, 400.0])
    step(model, optim_wrapper)
    message = "'heads.1' at 0.01, where its loss weights ask for 0.0025"
    out = capsys.readouterr().out
    assert message in out
    assert 'its step is 4 times' in out
    model.objective_weights.set([1.0, 500.0])
    step(model, optim_wrapper)
    assert 'limits' not in capsys.readouterr().out


def test_a_rate_that_is_a_tensor_is_put_back():
    model, optim_wrapper = build('lr')
    model.objective_weights.set([2.0, 4.0])
    for group in optim_wrapper.param_groups:
        group['lr'] = torch.tensor(0.1)
    step(model, optim_wrapper)
    rates = [float(group['lr']) for group in optim_wrapper.param_groups]
    assert rates == pytest.approx([0.1] * len(rates))


SCHEDULERS = {
    'step': [dict(type='StepLR', step_size=2, gamma=0.5)],
    'multistep': [
        dict(type='LinearLR', start_factor=0.1, end=3),
        dict(type='MultiStepLR', milestones=[5, 8], gamma=0.1),
    ],
    'cosine': [dict(type='CosineAnnealingLR', T_max=12, eta_min=0.01)],
    'poly': [dict(type='PolyLR', eta_min=1e-3, power=0.9, end=12)],
    'onecycle': [dict(type='OneCycleLR', eta_max=0.5, total_steps=12)],
    'exponential': [dict(type='ExponentialLR', gamma=0.8)],
    'constant': [dict(type='ConstantLR', factor=0.3, end=4)],
    'restart': [
        dict(
            type='CosineRestartLR',
            periods=[4, 8],
            restart_weights=[1, 0.5],
            eta_min=0,
        )
    ],
}


def run_schedule(configs, weights_of, resume_at=None):
    """Returns per step the trunk's and the heads' learning rates."""

    def fresh():
        model, optim_wrapper = build()
        schedulers = [
            PARAM_SCHEDULERS.build(
                dict(c, by_epoch=False),
                default_args=dict(optimizer=optim_wrapper),
            )
            for c in configs
        ]
        return model, optim_wrapper, schedulers

    model, optim_wrapper, schedulers = fresh()
    rates = []
    for i in range(12):
        if i == resume_at:
            saved = copy.deepcopy(
                (
                    model.state_dict(),
                    optim_wrapper.state_dict(),
                    [s.state_dict() for s in schedulers],
                )
            )
            model, optim_wrapper, schedulers = fresh()
            model.load_state_dict(saved[0])
            optim_wrapper.load_state_dict(saved[1])
            for scheduler, state in zip(schedulers, saved[2], strict=True):
                scheduler.load_state_dict(state)
        model.objective_weights.set(weights_of(i))
        before = values(model)
        base = [g['lr'] for g in optim_wrapper.optimizer.param_groups]
        gradients = [
            sum(w * h for w, h in zip(weights_of(i), before[1:], strict=True))
        ]
        gradients += [w * before[0] for w in weights_of(i)]
        step(model, optim_wrapper)
        after = [g['lr'] for g in optim_wrapper.optimizer.param_groups]
        assert after == base  # only the base rate is ever seen outside
        assert base[0] == base[1] == base[2]
        applied = [
            (b - a) / g
            for b, a, g in zip(before, values(model), gradients, strict=True)
        ]
        rates.append((base[0], applied))
        for scheduler in schedulers:
            scheduler.step()
        with torch.no_grad():  # keeps the numbers of a step well scaled
            for p, v in zip(model.parameters(), (1.0, 3.0, 5.0), strict=True):
                p.fill_(v)
    return rates


@pytest.mark.parametrize('name', SCHEDULERS)
@pytest.mark.parametrize('resume_at', [None, 6])
def test_head_rate_is_base_over_weight_at_every_step(name, resume_at):
    def weights_of(i):
        return [2.0, 4.0] if i < 6 else [0.5, 8.0]

    rates = run_schedule(SCHEDULERS[name], weights_of, resume_at)
    plain = run_schedule(SCHEDULERS[name], lambda i: [1.0, 1.0])
    assert len({round(base, 9) for base, _ in rates}) > 1
    for i, (base, applied) in enumerate(rates):
        assert base == pytest.approx(plain[i][0])
        expected = [base, *(base / w for w in weights_of(i))]
        assert applied == pytest.approx(expected, rel=1e-3, abs=1e-6)


def test_a_step_that_raises_does_not_leave_a_scaled_rate():
    model, optim_wrapper = build()
    model.objective_weights.set([2.0, 4.0])
    optimizer = optim_wrapper.optimizer
    optimizer.zero_grad()
    model(torch.tensor([1.0]))['loss_0'].backward()
    optimizer.param_groups[1]['weight_decay'] = 'broken'
    with pytest.raises(TypeError):
        optimizer.step()
    optimizer.param_groups[1]['weight_decay'] = 0
    step(model, optim_wrapper)
    assert [g['lr'] for g in optimizer.param_groups] == [0.1] * 3


def test_removed_rule_acts_no_more_and_attaches_again():
    for mode in ('lr', 'grad'):
        model, optim_wrapper = build(mode)
        model.objective_weights.set([2.0, 4.0])
        rule = head_rule_of(optim_wrapper)
        rule.remove()
        step(model, optim_wrapper)
        assert values(model)[1:] == pytest.approx([2.8, 4.6])
        rule.attach()
        model, optim_wrapper = build(mode)
        head_rule_of(optim_wrapper).remove()
        head_rule_of(optim_wrapper).attach()
        model.objective_weights.set([2.0, 4.0])
        step(model, optim_wrapper)
        assert values(model)[1:] == pytest.approx([2.9, 4.9])


def test_paramwise_options_of_the_user_stay_in_force():
    model, optim_wrapper = build(
        optimizer=dict(type='SGD', lr=0.1, weight_decay=0.5),
        paramwise_cfg=dict(
            custom_keys={
                'trunk': dict(lr_mult=3.0),
                'heads.1': dict(decay_mult=0.0),
            }
        ),
    )
    groups = optim_wrapper.optimizer.param_groups
    assert [g['lr'] for g in groups] == pytest.approx([0.3, 0.1, 0.1])
    assert [g['weight_decay'] for g in groups] == [0.5, 0.5, 0.0]
    model.objective_weights.set([2.0, 4.0])
    step(model, optim_wrapper)
    # 1 - 0.3 (26 + 0.5), 3 - 0.05 (2 + 1.5), 5 - 0.025 * 4
    assert values(model) == pytest.approx([-6.95, 2.825, 4.9])


def test_each_parameter_has_a_group_and_names_survive():
    runner_model = MODELS.build(copy.deepcopy(toy.MODEL))
    optim_wrapper = build_optim_wrapper(
        runner_model, copy.deepcopy(toy.OPTIM_WRAPPER)
    )
    groups = optim_wrapper.optimizer.param_groups
    assert len(groups) == len(list(runner_model.parameters()))


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        (
            dict(mode='sgd'),
            "one of 'lr', 'corrected_lr', 'grad', 'off'. Found 'sgd'",
        ),
        (dict(limits=(2, 3)), 'limits'),
        (dict(limits=5), 'limits.*Found 5'),
        (dict(limits=[0.1, 'x']), r"limits.*Found \[0.1, 'x'\]"),
        (dict(kind='lr'), "options `mode` and `limits` only.*'kind'"),
    ],
)
def test_bad_options_are_named(option, message):
    model = MODELS.build(copy.deepcopy(toy.MODEL))
    config = dict(copy.deepcopy(toy.OPTIM_WRAPPER), head_rule=option)
    with pytest.raises(ValueError, match=message):
        build_optim_wrapper(model, config)


@pytest.mark.parametrize('mode', ['lr', 'grad'])
def test_the_first_step_of_a_model_that_nothing_weighs_is_refused(mode):
    model = TwoHeads()
    optim_wrapper = build_optim_wrapper(
        model, {**toy.OPTIM_WRAPPER, 'head_rule': dict(mode=mode)}
    )
    with pytest.raises(RuntimeError, match='neither a weighting hook') as info:
        step(model, optim_wrapper)
    assert '`*_base_.custom_hooks`' in str(info.value)


@pytest.mark.parametrize(
    ('weights', 'owners', 'expected'),
    [
        ([2.0, 4.0], (0,), 0.5),
        ([2.0, 4.0, 1.0], (0, 1), 1 / 3),  # a layer that two heads share
        ([2.0, 4.0], (0, 1), 1.0),  # trunk
        ([2.0, 4.0], (), 1.0),  # reached by none, such as the RPN
        ([1000.0, 1.0], (0,), 0.01),
        ([0.001, 1.0], (0,), 100.0),
        ([0.0, 1.0], (0,), 1.0),
    ],
)
def test_head_factor(weights, owners, expected):
    assert head_factor(weights, owners, LIMITS) == pytest.approx(expected)


@pytest.mark.parametrize(
    ('owners', 'reaching', 'expected'),
    [
        ((0, 1), 2, 1.0),  # trunk of those that have appeared
        ((0,), 2, 0.5),
        ((0,), 1, 0.5),  # all else is frozen
    ],
)
def test_head_factor_of_fewer_objectives_that_reach(
    owners, reaching, expected
):
    found = head_factor([2.0, 4.0, 1.0], owners, LIMITS, reaching)
    assert found == pytest.approx(expected)
