"""What follows an exploration, and hooks, on one rank or two."""

import json

import numpy as np
import pytest
import torch

from tests.support import processes
from tests.test_engine.test_loops import training_worker


@pytest.fixture(scope='module')
def found(tmp_path_factory):
    """Work directories of one rank and of two, with half the batch each."""
    work_dirs = [tmp_path_factory.mktemp(str(w)) for w in (1, 2)]
    for world_size, work_dir in enumerate(work_dirs, 1):
        processes.run(training_worker.train, world_size, work_dir)
    return work_dirs


def rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_the_exploration_before_it_is_the_same(found):
    first, second = (
        rows(d / 'policy/exploration/history.jsonl') for d in found
    )
    assert first == second


@pytest.mark.parametrize('kind', ['policy', 'inverse'])
def test_half_a_batch_on_each_of_two_ranks_is_a_whole_one(found, kind):
    first, second = (rows(d / kind / 'weights.jsonl') for d in found)
    assert [row['epoch'] for row in second] == [1, 2, 3]
    for one, two in zip(first, second, strict=True):
        assert np.allclose(one['losses'], two['losses'], rtol=1e-5)
        assert np.allclose(one['weights'], two['weights'], rtol=1e-5)
    states = [
        torch.load(d / kind / 'epoch_3.pth', weights_only=False)['state_dict']
        for d in found
    ]
    for name, value in states[0].items():
        torch.testing.assert_close(value, states[1][name])
