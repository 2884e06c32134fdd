"""Weights of single iterations on one rank or two."""

import json

import numpy as np
import pytest
import torch

from tests.support import processes
from tests.test_engine.test_hooks import step_weighting_worker


@pytest.fixture(scope='module')
def found(tmp_path_factory):
    """Work directories of one rank and of two, with half the batch each."""
    work_dirs = [tmp_path_factory.mktemp(str(w)) for w in (1, 2)]
    for world_size, work_dir in enumerate(work_dirs, 1):
        processes.run(step_weighting_worker.train, world_size, work_dir)
    return work_dirs


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    'method', ['RandomLossWeighting', 'UncertaintyWeighting', 'Famo']
)
def test_half_a_batch_on_each_of_two_ranks_is_a_whole_one(found, method):
    one, two = (d / method for d in found)
    (alone,) = read(one / 'seen_0.json')
    (first,), (second,) = (read(two / f'seen_{r}.json') for r in range(2))
    assert first == second  # to the bit
    assert len(alone) == 9
    np.testing.assert_allclose(alone, first, rtol=1e-4)
    for a, b in zip(
        *(read(d / 'weights.jsonl') for d in (one, two)), strict=True
    ):
        np.testing.assert_allclose(a['losses'], b['losses'], rtol=1e-4)
    states = [
        torch.load(d / 'epoch_3.pth', weights_only=False)['state_dict']
        for d in (one, two)
    ]
    for name, value in states[0].items():
        torch.testing.assert_close(value, states[1][name])
