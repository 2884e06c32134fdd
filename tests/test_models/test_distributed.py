import pytest
import torch

from tests.support import processes
from tests.test_models import ddp_worker


def train(path, mode, world_size):
    processes.run(ddp_worker.train, world_size, path, mode)
    return torch.load(path)


@pytest.mark.parametrize('mode', ['lr', 'grad'])
def test_two_ranks_train_as_one_on_the_same_rows(tmp_path, mode):
    one, mean = train(tmp_path / 'one.pt', mode, 1)
    two, distributed_mean = train(tmp_path / 'two.pt', mode, 2)
    for name, value in one.items():
        torch.testing.assert_close(value, two[name], msg=name)
    torch.testing.assert_close(mean, distributed_mean)
