import random
from collections import Counter, OrderedDict, deque, namedtuple

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict

from mmada.engine.replicas.plain_data import (
    NotPlainError,
    decode,
    encode,
    put_into,
    same,
)
from mmada.engine.state.payload import check_payload

VALUES = {
    'numbers': [1, True, 2.5, None, 'x', 3 + 4j, b'\x00\xff'],
    'nested': dict(a=[(1, {2: 'b'}), OrderedDict(c=1)], d=()),
    'sets': [{3, 1, 2}, frozenset('ab')],
    'counter': Counter('aab'),
    'deque': deque([1, 2, 3], maxlen=3),
    'config': ConfigDict(a=dict(b=[1])),
    'size': torch.Size([2, 3]),
    'tensor': torch.arange(6.0).reshape(2, 3),
    'dtype': [torch.float16, torch.device('cpu')],
    'array': np.arange(6, dtype=np.int16).reshape(2, 3),
    'empty array': np.zeros((0, 4)),
    'text array': np.array(['a', 'bcd']),
    'array scalar': np.float32(0.1),
}


@pytest.mark.parametrize('kind', VALUES)
def test_plain_data_come_back_through_a_state_file(kind, tmp_path):
    found = encode(VALUES[kind])
    check_payload(found)
    torch.save(found, tmp_path / 'x.pt')
    stored = torch.load(tmp_path / 'x.pt', weights_only=True)
    assert same(stored, found)
    value = decode(stored)
    assert repr(value) == repr(VALUES[kind])
    assert type(value) is type(VALUES[kind])
    assert getattr(value, 'dtype', 0) == getattr(VALUES[kind], 'dtype', 0)


def test_a_bound_of_a_queue_and_an_array_are_its_own():
    queue = decode(encode(VALUES['deque']))
    queue.append(4)
    assert list(queue) == [2, 3, 4]
    array = decode(encode(VALUES['array']))
    array[0, 0] = 9  # it can be written, and is not the original
    assert VALUES['array'][0, 0] == 0


@pytest.mark.parametrize(
    'value',
    [object(), [object()], namedtuple('P', 'x')(1), np.array([None]), len],
)
def test_other_objects_are_no_plain_data(value):
    with pytest.raises(NotPlainError):
        encode(value)


@pytest.mark.parametrize(
    ('first', 'second'),
    [
        (1, True),
        (1, 1.0),
        ([1], (1,)),
        (torch.ones(2), torch.ones(2).double()),
        (torch.ones(2), torch.zeros(2)),
        (np.ones(2), np.ones((1, 2))),
        ({}, OrderedDict()),
        (deque([1]), deque([1], maxlen=2)),
    ],
)
def test_other_data_are_told_apart(first, second):
    assert not same(encode(first), encode(second))
    assert same(encode(first), encode(first))


def test_not_a_number_is_itself():
    assert same(encode([float('nan')]), encode([float('nan')]))


@pytest.mark.parametrize(
    ('target', 'value'),
    [
        ([1], [2, 3]),
        (deque([1], maxlen=2), deque([2], maxlen=2)),
        (dict(a=1), dict(b=2)),
        ({1}, {2}),
        (torch.zeros(2), torch.ones(2)),
    ],
)
def test_what_is_shared_is_changed_in_its_place(target, value):
    assert put_into(target, encode(value))
    assert repr(target) == repr(value)


@pytest.mark.parametrize(
    'generator',
    [
        torch.Generator().manual_seed(1),
        np.random.default_rng(1),
        np.random.RandomState(1),
        random.Random(1),
    ],
)
def test_a_generator_goes_on_from_where_it_was(generator):
    def draw():
        if isinstance(generator, torch.Generator):
            return torch.rand((), generator=generator).item()
        return generator.random()

    found = encode(generator)
    check_payload(found)
    expected = [draw(), draw()]
    assert put_into(generator, found)
    assert [draw(), draw()] == expected


def test_what_does_not_fit_is_not_changed():
    target = torch.zeros(2)
    assert not put_into(target, encode(torch.ones(3)))
    assert not put_into(target, encode([1]))
    assert target.tolist() == [0, 0]
    assert not put_into(5, encode(6))
