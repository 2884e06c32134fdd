from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config
from mmengine.device import get_device
from torch import distributed as torch_dist

from mmada.engine.distributed import launch
from tests.support import processes

WORKER = Path(__file__).with_name('launch_worker.py')


@pytest.fixture
def machine(monkeypatch):
    """This process as local rank 5 of 8, with GPUs that a test counts.

    Where MMEngine would start NCCL and CUDA, calls are noted instead.
    """
    kept = dict(os.environ)
    machine = SimpleNamespace(gpus=0, started=None, selected=None)

    def start(backend, timeout):
        machine.started = backend, timeout

    def select(device):
        machine.selected = device

    variables = dict(
        RANK='13',
        WORLD_SIZE='16',
        LOCAL_RANK='5',
        LOCAL_WORLD_SIZE='8',
        MASTER_ADDR='localhost',
        MASTER_PORT='1234',
        OMP_NUM_THREADS='1',
    )
    os.environ.update(variables)
    monkeypatch.setattr(
        launch, 'get_device', lambda: 'cuda' if machine.gpus else 'cpu'
    )
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: machine.gpus)
    monkeypatch.setattr(torch.cuda, 'set_device', select)
    monkeypatch.setattr(torch_dist, 'init_process_group', start)
    yield machine
    os.environ.clear()
    os.environ.update(kept)


def prepared(**options):
    cfg = Config(dict(launcher='pytorch', **options))
    launch.prepare_launch(cfg)
    return cfg


def test_a_gpu_for_each_local_rank_is_left_to_mmengine(machine):
    machine.gpus = 8
    cfg = prepared()
    assert (machine.started, machine.selected) == (None, None)
    assert 'model_wrapper_cfg' not in cfg


def test_a_launcher_that_counts_no_local_ranks_is_left_to_mmengine(machine):
    machine.gpus = 1
    del os.environ['LOCAL_WORLD_SIZE']
    prepared()
    assert machine.started is None


def test_another_accelerator_is_left_to_mmengine(machine, monkeypatch):
    monkeypatch.setattr(launch, 'get_device', lambda: 'npu')
    prepared()
    assert machine.started is None


def test_one_process_starts_nothing(machine):
    launch.prepare_launch(Config(dict(launcher='none')))
    launch.prepare_launch(Config())
    assert machine.started is None


def test_too_few_gpus_are_shared_in_turn(machine):
    machine.gpus = 3
    cfg = prepared()
    assert machine.started == ('gloo', None)
    assert machine.selected == 2  # 5 modulo 3
    assert cfg.model_wrapper_cfg == dict(
        type='MMDistributedDataParallel',
        device_ids=[2],
        broadcast_buffers=False,
        find_unused_parameters=False,
    )


def test_without_gpus_ddp_gets_no_device(machine):
    cfg = prepared(find_unused_parameters=True)
    assert machine.started == ('gloo', None)
    assert machine.selected is None
    assert cfg.model_wrapper_cfg == dict(
        type='MMDistributedDataParallel',
        device_ids=None,
        broadcast_buffers=False,
        find_unused_parameters=True,
    )


def test_the_wrapper_s_own_options_win(machine):
    machine.gpus = 1
    own = dict(device_ids=[0, 1], static_graph=True)
    cfg = prepared(model_wrapper_cfg=own, find_unused_parameters=True)
    assert cfg.model_wrapper_cfg == dict(
        type='MMDistributedDataParallel', device_ids=[0, 1], static_graph=True
    )


def test_a_wrapper_that_is_no_ddp_gets_no_device(machine):
    own = dict(type='MMFullyShardedDataParallel')
    assert prepared(model_wrapper_cfg=dict(own)).model_wrapper_cfg == own


def test_the_timeout_is_in_seconds(machine):
    prepared(env_cfg=dict(dist_cfg=dict(backend='nccl', timeout=90)))
    assert machine.started == ('gloo', timedelta(seconds=90))


@pytest.mark.parametrize('timeout', ['90', 0, -1])
def test_a_bad_timeout_is_refused(machine, timeout):
    with pytest.raises(ValueError, match=rf'timeout` is {timeout!r}; expec'):
        prepared(env_cfg=dict(dist_cfg=dict(timeout=timeout)))
    assert machine.started is None


def test_mpi_tells_ddp_the_local_rank(machine):
    machine.gpus = 8
    os.environ.update(
        OMPI_COMM_WORLD_RANK='6',
        OMPI_COMM_WORLD_SIZE='8',
        OMPI_COMM_WORLD_LOCAL_RANK='6',
        OMPI_COMM_WORLD_LOCAL_SIZE='8',
    )
    launch.prepare_launch(Config(dict(launcher='mpi')))
    assert machine.started is None
    assert os.environ['LOCAL_RANK'] == '6'


@pytest.mark.skipif(get_device() != 'cpu', reason='the ranks have GPUs')
def test_two_ranks_of_open_mpi_meet(tmp_path):
    processes.run(WORKER, 2, tmp_path)
    for rank in range(2):
        assert json.loads((tmp_path / f'{rank}.json').read_text()) == dict(
            sum=3,
            world_size=2,
            backend='gloo',
            timeout=77,
            local_rank=str(rank),
            threads=1,
        )
