from __future__ import annotations

import pytest
import torch

from mmada.utils.checks import check_identity, check_number, check_vector


def test_numbers() -> None:
    assert check_number('x', 1) == 1.0
    assert check_number('x', 0, 0, 1) == 0.0
    for value in (True, '1', float('inf'), float('nan'), None):
        with pytest.raises(ValueError, match='`x`.*Found'):
            check_number('x', value)
    with pytest.raises(ValueError, match=r'\(0, 1\].*Found 0'):
        check_number('x', 0, 0, 1, above=True)


def test_vectors_are_detached_copies() -> None:
    source = torch.ones(2, requires_grad=True)
    vector = check_vector('x', source, 2)
    vector += 1
    assert source.tolist() == [1, 1]
    assert vector.dtype == torch.float64 and not vector.requires_grad


def test_identity_names_every_difference() -> None:
    ours = dict(name='a', size=4, options=dict(lr=0.1))
    check_identity(dict(ours), ours)
    with pytest.raises(ValueError) as error:
        check_identity(dict(name='a', size=5, options=dict(lr=0.2)), ours)
    assert 'lr was 0.2 and is 0.1; size was 5 and is 4' in str(error.value)
