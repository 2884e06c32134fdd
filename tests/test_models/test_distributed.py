import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

WORKER = Path(__file__).with_name('ddp_worker.py')


def run(path, mode, world_size):
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        port = s.getsockname()[1]
    env = dict(
        os.environ,
        MODE=mode,
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(port),
        WORLD_SIZE=str(world_size),
        OMP_NUM_THREADS='1',
    )
    processes = [
        subprocess.Popen(
            [sys.executable, WORKER, path], env=dict(env, RANK=str(rank))
        )
        for rank in range(world_size)
    ]
    assert [p.wait(120) for p in processes] == [0] * world_size
    return torch.load(path)


@pytest.mark.parametrize('mode', ['lr', 'grad'])
def test_two_ranks_train_as_one_on_the_same_rows(tmp_path, mode):
    one, mean = run(tmp_path / 'one.pt', mode, 1)
    two, distributed_mean = run(tmp_path / 'two.pt', mode, 2)
    for name, value in one.items():
        torch.testing.assert_close(value, two[name], msg=name)
    torch.testing.assert_close(mean, distributed_mean)
