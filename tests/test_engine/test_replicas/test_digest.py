import hashlib

import pytest
import torch

from mmada.engine.replicas.digest import digest, digests


def test_a_tensor_counts_by_type_shape_and_bytes():
    value = torch.tensor([1.0, -0.0])
    expected = hashlib.sha256(
        b'torch.float32 (2,)' + bytes.fromhex('0000803f00000080')
    )
    assert digest(value) == expected.hexdigest()
    assert digest(value[None]) != digest(value)
    assert digest(value.double()) != digest(value)
    assert digest(torch.tensor([1.0, 0.0])) != digest(value)


def test_views_and_gradients_do_not_matter():
    value = torch.arange(6.0).reshape(2, 3)
    assert digest(value.t()) == digest(value.t().contiguous())
    assert digest(value.clone().requires_grad_()) == digest(value)


@pytest.mark.parametrize(
    ('first', 'second'),
    [
        (dict(a=1, b=2), dict(b=2, a=1)),
        (dict(a=1), dict(a=1.0)),
        ([1, [2]], [1, 2]),
        ([1, 2], [12]),
        (dict(a=[]), dict(a={})),
        ('1', 1),
        (None, 'None'),
        (float('nan'), 0.0),
    ],
)
def test_other_values_have_other_digests(first, second):
    assert digest(first) != digest(second)


@pytest.mark.parametrize(
    'value',
    [
        torch.tensor(3),
        torch.empty(0, 2),
        torch.tensor([True]),
        torch.ones(2, dtype=torch.bfloat16),
        dict(a=[(1, None), 'x'], b={3: float('nan')}),
    ],
)
def test_equal_values_have_equal_digests(value):
    assert digest(value) == digest(value)
    assert digest(value) != digest([value])


def test_leaves_are_named_by_their_path():
    value = dict(a=dict(x=torch.ones(1), y=2), b=[3])
    found = digests(value)
    assert list(found) == ['a.x', 'a.y', 'b']
    assert found['a.x'] == digest(torch.ones(1))
