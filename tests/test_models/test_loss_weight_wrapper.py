import copy

import pytest
import torch
from mmengine.registry import MODELS
from mmengine.runner.checkpoint import (
    _load_checkpoint_to_model,
    get_state_dict,
)
from torch import nn

from mmada.models import LossWeightWrapper, ObjectiveError
from tests.support import toy


def batch():
    rows = [toy.ToyDataset()[i] for i in range(4)]
    return dict(x=[r['x'] for r in rows], y=[r['y'] for r in rows])


def build(**options):
    torch.manual_seed(0)
    return MODELS.build({**copy.deepcopy(toy.MODEL), **options}).eval()


def losses_of(model):
    return model(**batch(), mode='loss')


def test_ones_give_the_bare_total_and_gradients_to_the_bit():
    wrapped = build()
    bare = copy.deepcopy(wrapped.detector)
    total, log_vars = wrapped.parse_losses(losses_of(wrapped))
    bare_total, bare_vars = bare.parse_losses(losses_of(bare))
    assert torch.equal(total, bare_total)
    for name, value in bare_vars.items():
        assert torch.equal(log_vars[name], value)
    total.backward()
    bare_total.backward()
    for (name, p), q in zip(
        wrapped.detector.named_parameters(), bare.parameters(), strict=True
    ):
        assert torch.equal(p.grad, q.grad), name


def test_weights_scale_their_objective_alone():
    model = build(weights=dict(b=3.0))
    raw = losses_of(model)
    a, rpn = raw['loss_a'], raw['loss_rpn']
    b = sum(part.mean() for part in raw['loss_b'])
    total, log_vars = model.parse_losses(raw)
    torch.testing.assert_close(total, rpn + a + 3 * b)
    assert torch.equal(log_vars['loss'], total)
    torch.testing.assert_close(log_vars['loss_b'], b)
    torch.testing.assert_close(log_vars['weighted/loss_b'], 3 * b)
    assert 'weighted/loss_rpn' not in log_vars
    assert log_vars['acc'] == 50


def test_a_loss_that_is_missing_in_an_iteration_is_left_out():
    model = build(weights=[2.0, 3.0])
    total, log_vars = model.parse_losses(dict(loss_a=torch.tensor(1.5)))
    assert total == 3.0
    assert 'loss_b' not in log_vars


def test_no_loss_at_all_and_no_tensor_are_errors():
    model = build()
    with pytest.raises(ObjectiveError, match='no loss; it produced: acc'):
        model.parse_losses(dict(acc=torch.tensor(1.0)))
    with pytest.raises(TypeError, match='loss_a'):
        model.parse_losses(dict(loss_a=1.0))


def test_a_loss_with_the_name_of_the_sum_is_refused():
    model = build()
    losses = losses_of(model) | dict(loss=torch.tensor(1.0))
    with pytest.raises(ObjectiveError, match="calls a loss 'loss'"):
        model.parse_losses(losses)


@pytest.mark.parametrize(
    ('weights', 'message'),
    [
        ([1.0], '2 values, of a, b. Found 1'),
        ([1.0, float('nan')], 'finite'),
        ([1.0, float('inf')], 'finite'),
        ([1.0, -1.0], 'not negative'),
        (dict(c=1.0), "among a, b. Found 'c'"),
    ],
)
def test_bad_weights_are_named(weights, message):
    with pytest.raises(ValueError, match=message):
        build(weights=weights)


def test_a_weight_of_zero_switches_an_objective_off():
    model = build(weights=[0.0, 1.0])
    raw = losses_of(model)
    total, _ = model.parse_losses(raw)
    rest = raw['loss_rpn'] + sum(part.mean() for part in raw['loss_b'])
    torch.testing.assert_close(total, rest)


def test_weights_are_set_and_reset():
    model = build(weights=dict(a=2.0))
    model.set_weights(torch.tensor([0.5, 3.0]))
    assert model.weights == (0.5, 3.0)
    model.reset_weights()
    assert model.weights == (2.0, 1.0)


def test_auto_makes_every_loss_an_objective_after_binding():
    model = build(objectives='auto')
    with pytest.raises(ObjectiveError, match='auto'):
        _ = model.objectives
    model.parse_losses(losses_of(model))  # the bare sum until then
    model.bind(['loss_rpn', 'loss_a', 'loss_b'])
    assert model.objectives.names == ('loss_rpn', 'loss_a', 'loss_b')
    assert model.weights == (1.0, 1.0, 1.0)


def test_binding_names_what_the_model_lacks():
    model = build(objectives=dict(a='loss_a', mask='loss_mask'))
    with pytest.raises(ObjectiveError, match="'mask'.*loss_a, loss_b"):
        model.bind(['loss_a', 'loss_b'])


class Versioned(nn.Linear):
    """A layer that records the format version it is loaded from."""

    _version = 3
    loaded = None

    def _load_from_state_dict(self, state_dict, prefix, metadata, *args):
        self.loaded = metadata.get('version')
        super()._load_from_state_dict(state_dict, prefix, metadata, *args)


@pytest.mark.parametrize('read', [lambda m: m.state_dict(), get_state_dict])
@pytest.mark.parametrize('to_wrapper', [True, False])
@pytest.mark.parametrize('from_wrapper', [True, False])
def test_checkpoints_go_between_wrapper_and_detector(
    read, from_wrapper, to_wrapper
):
    def make():
        model = build()
        model.detector.rpn = Versioned(8, 1)
        for p in model.parameters():
            nn.init.normal_(p)
        return model

    source, target = make(), make()
    state = read(source if from_wrapper else source.detector)
    assert list(state) == list(source.detector.state_dict())
    receiver = target if to_wrapper else target.detector
    assert not any(receiver.load_state_dict(state, strict=True))
    assert target.detector.rpn.loaded == 3
    toy.assert_same_state(
        target.detector.state_dict(), source.detector.state_dict()
    )


def test_the_wrapper_is_invisible_inside_another_module():
    wrapper, other = build(), build()
    inside = nn.ModuleDict(dict(model=wrapper)).state_dict()
    bare = nn.ModuleDict(dict(model=wrapper.detector)).state_dict()
    assert list(inside) == list(bare)
    assert set(inside._metadata) == set(bare._metadata)
    nn.init.normal_(wrapper.detector.rpn.weight)
    state = nn.ModuleDict(dict(model=wrapper.detector)).state_dict()
    nn.ModuleDict(dict(model=other)).load_state_dict(state, strict=True)
    toy.assert_same_state(other.state_dict(), wrapper.state_dict())


def test_mmengine_loads_a_checkpoint_without_missing_keys(caplog):
    source, target = build(), build()
    nn.init.normal_(source.detector.rpn.weight)
    _load_checkpoint_to_model(target, dict(state_dict=source.state_dict()))
    assert 'missing' not in caplog.text
    assert torch.equal(target.detector.rpn.weight, source.detector.rpn.weight)


def test_attributes_of_the_detector_are_reachable():
    model = build()
    assert model.head_a is model.detector.head_a
    assert model.data_preprocessor is model.detector.data_preprocessor
    with pytest.raises(AttributeError, match='nothing'):
        _ = model.nothing
    assert isinstance(copy.deepcopy(model), LossWeightWrapper)


def test_a_wrapper_without_a_detector_says_so():
    with pytest.raises(AttributeError, match='detector'):
        _ = LossWeightWrapper.__new__(LossWeightWrapper).detector
