"""What a state file takes, it gives back."""

from __future__ import annotations

import random
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mmada.engine.state.payload import (
    check_payload,
    load_payload,
    payload_size,
    save_payload,
)


def test_round_trip_of_a_training_state(tmp_path: Path) -> None:
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    stored = {
        'model': model.state_dict(),
        'optimizer': optimizer.state_dict(),
        'rng': random.Random(3).getstate(),
        'torch_rng': torch.get_rng_state(),
        'mixed': [None, True, 1, -2.5, float('inf'), 'text', (1, [2])],
        'ordered': OrderedDict(b=1, a=2),
    }
    check_payload(stored)
    path = tmp_path / 'state.pt'
    with open(path, 'wb') as file:
        save_payload(stored, file)
    assert payload_size(stored) == path.stat().st_size
    loaded = load_payload(path)
    torch.testing.assert_close(
        loaded['model'], stored['model'], rtol=0, atol=0
    )
    adam = loaded['optimizer']['state'][0]
    assert torch.equal(
        adam['exp_avg'], optimizer.state_dict()['state'][0]['exp_avg']
    )
    assert (
        loaded['optimizer']['param_groups']
        == optimizer.state_dict()['param_groups']
    )
    assert loaded['rng'] == stored['rng']
    assert torch.equal(loaded['torch_rng'], stored['torch_rng'])
    assert loaded['mixed'] == stored['mixed']
    assert list(loaded['ordered']) == ['b', 'a']


class _Custom:
    pass


@pytest.mark.parametrize(
    ('bad', 'where', 'kind'),
    [
        (
            {'a': {0: [1, np.float64(2)]}},
            "payload['a'][0][1]",
            'numpy.float64',
        ),
        ({'a': (np.zeros(2),)}, "payload['a'][0]", 'numpy.ndarray'),
        ({'a': _Custom()}, "payload['a']", '_Custom'),
        ({'a': {(1, 2): 3}}, "payload['a'] has the key (1, 2)", 'tuple'),
        (
            {'a': torch.nn.Parameter(torch.ones(1))},
            "payload['a']",
            'Parameter',
        ),
        ({'a': b'x'}, "payload['a']", 'bytes'),
        ({'a': {1}}, "payload['a']", 'set'),
    ],
)
def test_unsuitable_payload_is_refused(
    bad: dict[str, Any], where: str, kind: str
) -> None:
    with pytest.raises(TypeError) as caught:
        check_payload(bad)
    assert where in str(caught.value)
    assert kind in str(caught.value)
