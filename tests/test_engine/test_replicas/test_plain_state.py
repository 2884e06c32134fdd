import enum
import itertools
import random
from collections import deque

import numpy as np
import pytest
import torch
from torch import nn

from mmada.engine.replicas.live_replica import LiveReplica
from mmada.engine.replicas.plain_data import clone_nested
from mmada.engine.replicas.plain_state import PlainState


class Assigner:
    """An object that is no module."""

    def __init__(self):
        self.threshold = 0.5
        self.history = [0.1]


class Head(nn.Module):
    """Keeps things in attributes that are no parameters and no buffers."""

    transient_attributes = ('latest',)

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.assigner = Assigner()
        self.assigners = [Assigner()]
        self.count = 0
        self.queue = deque([1], maxlen=2)
        self.array = np.zeros(2)
        self.bank = [torch.zeros(2)]
        self.tensor = torch.zeros(2)
        self.random = np.random.RandomState(3)
        self.torch_random = torch.Generator().manual_seed(3)
        self.python_random = random.Random(3)
        self.options = dict(a=dict(b=1))
        self.latest = None
        self.unset = None


def change(head):
    """Changes each of the attributes, in its place or to another object."""
    head.assigner.threshold = np.float64(0.75)
    head.assigner.history.append(0.2)
    head.assigners[0].threshold = 0.25
    head.count += 1
    head.queue.append(2)
    head.array += 1
    head.bank.append(torch.ones(3))
    head.tensor = torch.ones(2, requires_grad=True) * 2
    for generator in (head.random, head.python_random):
        generator.random()
    torch.rand(1, generator=head.torch_random)
    head.options['a']['b'] = 2
    head.unset = [1]
    head.new = dict(x=torch.ones(1))
    head.linear.weight.requires_grad_(False)
    vars(head.linear).pop('out_features', None)


def look(head):
    """Returns what `change` changes, as text."""
    generators = (head.random.get_state()[2], head.python_random.getstate())
    return repr(
        [
            vars(head.assigner),
            vars(head.assigners[0]),
            head.count,
            head.queue,
            head.array,
            head.bank,
            head.tensor.tolist(),
            generators,
            head.torch_random.get_state().tolist(),
            head.options,
            head.unset,
            getattr(head, 'new', 'absent'),
            head.linear.weight.requires_grad,
            hasattr(head.linear, 'out_features'),
        ]
    )


def test_every_kind_of_attribute_is_put_back_to_both_states():
    head = Head()
    before = look(head)
    live = LiveReplica(head, _Optimizer())
    start = live.capture()
    assert 'attributes' not in start
    change(head)
    changed, snapshot = look(head), live.capture()
    assert changed != before
    for state, expected in ((start, before), (snapshot, changed)) * 2:
        live.restore_model(state)
        assert look(head) == expected
        change(head)


def test_a_state_of_another_process_is_taken_over(tmp_path):
    """Its snapshot comes from a file, the attributes from the config."""
    head = Head()
    live = LiveReplica(head, _Optimizer())
    change(head)
    torch.save(live.capture(), tmp_path / 'x.pt')
    other = Head()
    resumed = LiveReplica(other, _Optimizer())
    resumed.restore_model(torch.load(tmp_path / 'x.pt', weights_only=True))
    assert look(other) == look(head)


def test_a_snapshot_is_tied_to_no_attribute():
    head = Head()
    live = LiveReplica(head, _Optimizer())
    head.tensor += 1
    snapshot = live.capture()
    head.tensor += 1
    live.restore_model(snapshot)
    head.tensor += 1
    live.restore_model(snapshot)
    assert head.tensor.tolist() == [1, 1]


def test_what_two_objects_share_they_share_afterwards():
    head = Head()
    head.other = head.assigner.history
    tensors = head.bank[0], head.tensor
    state = PlainState(head)
    head.assigner.history = [5.0]
    head.tensor = torch.ones(2)
    state.restore({})
    assert head.other is head.assigner.history
    assert (head.bank[0], head.tensor) == tensors


class Other:
    pass


@pytest.mark.parametrize('name', ['assigner', 'unset', 'new'])
def test_another_object_is_refused_by_attribute_and_class(name):
    model = nn.Sequential(Head())
    state = PlainState(model)
    setattr(model[0], name, Other())
    with pytest.raises(ValueError, match=rf'`Head\.{name}`.*Other in.*`0`'):
        state.difference()
    state.restore({})  # the start can be had again
    assert state.difference() == {}


def test_a_transient_attribute_is_left_alone():
    head = Head()
    state = PlainState(head)
    head.latest = kept = Other()
    assert state.difference() == {}
    state.restore({})
    assert head.latest is kept


def test_an_exchanged_module_is_refused():
    model = nn.Sequential(Head())
    state = PlainState(model)
    model[0].linear = nn.Linear(2, 2)
    with pytest.raises(ValueError, match='Linear'):
        state.difference()


class Pooling(nn.Module):
    """Makes layers of the size of its first batch, as MMAction2's TPNHead."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(1, 1)
        self.pool = None

    def forward(self, x):
        if self.pool is None:
            self.pool = nn.AvgPool1d(x.shape[-1])
        if not hasattr(self, 'flat'):
            self.flat = nn.Flatten(0)
        return self.flat(self.pool(x))


def test_layers_without_numbers_are_made_again():
    model = nn.Sequential(Pooling())
    state = PlainState(model)
    assert model(torch.tensor([[1.0, 3.0]])).tolist() == [2]
    difference = state.difference()
    assert difference == {}
    state.restore(difference)
    assert model(torch.tensor([[1.0, 3.0, 8.0]])).tolist() == [4]
    model[0].other = nn.Linear(1, 1)
    with pytest.raises(ValueError) as error:
        state.difference()
    assert str(error.value) == (
        "`0._modules['other']` should hold plain data or the same object "
        'throughout, so that each replica of a search can have its own. Found '
        'a new object with Linear in it, in `0._modules`. If each iteration '
        'sets it anew, name its attribute in `transient_attributes` of its '
        'class.'
    )


def test_a_module_may_be_registered_a_second_time():
    model = nn.Sequential(Head())
    live = LiveReplica(model, _Optimizer())
    start = live.capture()
    model[0].twice = model[0].linear
    live.restore_model(start)
    assert model[0].twice is model[0].linear


def test_a_module_that_is_no_submodule_is_captured():
    """As the average of a hook, whose tensors a dict names once more."""
    head, hook = Head(), Other()
    hook.average = nn.Linear(1, 1)
    hook.named = dict(hook.average.named_parameters())
    hook.model = head
    state = PlainState(head, dict(hook=hook))
    weight = hook.average.weight
    with torch.no_grad():
        weight.fill_(3)
    found = clone_nested(state.difference())
    with torch.no_grad():
        weight.fill_(4)
        head.linear.weight.fill_(7)
    state.restore(found)
    assert hook.average.weight is hook.named['weight'] is weight
    assert weight.item() == 3
    assert (head.linear.weight == 7).all()  # is captured apart


def test_an_object_that_is_reset_is_in_no_difference():
    head, hook = Head(), Assigner()
    state = PlainState(head, reset=dict(hook=hook))
    hook.threshold, hook.history, hook.anything = 9, None, Other()
    assert state.difference() == {}
    state.restore({})
    assert vars(hook) == vars(Assigner())


def test_a_preserved_state_is_that_of_the_entry():
    head = Head()
    state = PlainState(head)
    head.count = 5
    with pytest.raises(KeyError), state.preserved():
        change(head)
        raise KeyError
    assert head.count == 5
    assert head.queue == deque([1])


class _Optimizer:
    def state_dict(self):
        return {}


class Stage(enum.Enum):
    WARM = 1


class Slotted:
    __slots__ = ('count',)

    def __init__(self):
        self.count = 0


CLOSED = {
    'deque': (lambda: deque([Assigner()]), lambda x: x.append(Assigner())),
    'set': (lambda: {Stage}, lambda x: x.clear()),
    'iterator': (itertools.count, next),
    'slots': (Slotted, lambda x: setattr(x, 'count', 1)),
    'bytes': (lambda: bytearray(b'a'), lambda x: x.extend(b'b')),
}


@pytest.mark.parametrize('kind', CLOSED)
def test_a_change_in_what_cannot_be_put_back_is_refused(kind):
    make, act = CLOSED[kind]
    head = Head()
    head.closed = make()
    state = PlainState(head)
    assert state.difference() == {}
    act(head.closed)
    with pytest.raises(ValueError, match='`Head.closed` should hold plain'):
        state.difference()


def test_a_key_that_is_no_plain_data_is_refused_by_name():
    head = Head()
    head.counts = {Stage.WARM: 0}
    state = PlainState(head)
    head.counts[Stage.WARM] = 1
    with pytest.raises(ValueError, match='Stage in it, in `counts`'):
        state.difference()
