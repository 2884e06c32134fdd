from pathlib import Path

import pytest
import torch

from tests.support import processes

WORKER = Path(__file__).with_name('ddp_worker.py')


def train(path, mode, world_size):
    processes.run(WORKER, world_size, path, MODE=mode)
    return torch.load(path)


@pytest.mark.parametrize('mode', ['lr', 'grad'])
def test_two_ranks_train_as_one_on_the_same_rows(tmp_path, mode):
    one, mean = train(tmp_path / 'one.pt', mode, 1)
    two, distributed_mean = train(tmp_path / 'two.pt', mode, 2)
    for name, value in one.items():
        torch.testing.assert_close(value, two[name], msg=name)
    torch.testing.assert_close(mean, distributed_mean)
