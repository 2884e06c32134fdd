"""How a rank starts: without a GPU of its own, by three launchers."""

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
from mmengine.logging.logger import _get_device_id
from torch import distributed as torch_dist

from mmada.engine.distributed import launch
from mmada.engine.distributed.launch import (
    Placement,
    export_rendezvous,
    read_placement,
)
from tests.support import processes
from tests.test_engine.test_distributed import launch_worker

TORCHRUN = dict(RANK='5', WORLD_SIZE='8', LOCAL_RANK='1', LOCAL_WORLD_SIZE='4')
SLURM = dict(
    SLURM_PROCID='5',
    SLURM_NTASKS='8',
    SLURM_LOCALID='1',
    SLURM_NODELIST='node[3-4]',
    SLURM_STEP_TASKS_PER_NODE='4(x2)',
)
OPEN_MPI = dict(
    OMPI_COMM_WORLD_RANK='5',
    OMPI_COMM_WORLD_SIZE='8',
    OMPI_COMM_WORLD_LOCAL_RANK='1',
    OMPI_COMM_WORLD_LOCAL_SIZE='4',
)
PLACE = Placement(5, 8, 1, 4)


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
    assert os.environ['LOCAL_RANK'] == '2'
    assert _get_device_id() == 2  # of a logger of MMEngine
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
    with pytest.raises(ValueError, match=rf'timeout` .*Found {timeout!r}'):
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
    with processes.agent() as env:
        processes.run(launch_worker.meet, 2, tmp_path, env=env)
    for rank in range(2):
        assert json.loads((tmp_path / f'{rank}.json').read_text()) == dict(
            sum=3,
            world_size=2,
            backend='gloo',
            timeout=77,
            local_rank=str(rank),
            threads=1,
        )


@pytest.fixture
def environment(monkeypatch):
    """The process's variables, empty but for PATH, and put back later."""
    kept = dict(os.environ)
    for name in kept:
        if name != 'PATH':
            monkeypatch.delenv(name)
    yield os.environ
    os.environ.clear()
    os.environ.update(kept)


@pytest.mark.parametrize(
    ('launcher', 'variables'),
    [('pytorch', TORCHRUN), ('slurm', SLURM), ('mpi', OPEN_MPI)],
)
def test_each_launcher_is_understood(environment, launcher, variables):
    environment.update(variables)
    assert read_placement(launcher) == PLACE


@pytest.mark.parametrize(
    ('variables', 'expected'),
    [
        (dict(SLURM_STEP_TASKS_PER_NODE='2(x3),1'), 2),
        (dict(SLURM_STEP_TASKS_PER_NODE='1,12(x2)'), 12),
        (
            dict(SLURM_STEP_TASKS_PER_NODE='2', SLURM_TASKS_PER_NODE='8'),
            2,
        ),
        (dict(SLURM_NTASKS_PER_NODE='3'), 3),
        ({}, None),
    ],
)
def test_slurm_s_fullest_node_counts(environment, variables, expected):
    environment.update(SLURM)
    del environment['SLURM_STEP_TASKS_PER_NODE']
    environment.update(variables)
    assert read_placement('slurm').local_size == expected


@pytest.mark.parametrize(
    ('launcher', 'variables', 'missing', 'usage'),
    [
        ('pytorch', TORCHRUN, 'WORLD_SIZE', r'tools/dist_train\.sh'),
        ('slurm', SLURM, 'SLURM_PROCID', r'tools/slurm_train\.sh'),
        ('mpi', OPEN_MPI, 'OMPI_COMM_WORLD_LOCAL_RANK', 'mpirun'),
    ],
)
def test_a_missing_variable_is_named(
    environment, launcher, variables, missing, usage
):
    environment.update(variables)
    del environment[missing]
    with pytest.raises(ValueError, match=f'{missing} .*{launcher}.*{usage}'):
        read_placement(launcher)


def test_a_variable_that_is_no_number_is_named(environment):
    environment.update(TORCHRUN, RANK='first')
    with pytest.raises(ValueError, match="RANK of launcher pytorch .*'first'"):
        read_placement('pytorch')


def test_an_unknown_launcher_is_refused():
    with pytest.raises(ValueError, match="one of none, pytorch.*'srun'"):
        read_placement('srun')


@pytest.mark.parametrize('name', ['MASTER_ADDR', 'MASTER_PORT'])
def test_torchrun_says_where_to_meet(environment, name):
    environment.update(MASTER_ADDR='here', MASTER_PORT='1234')
    del environment[name]
    with pytest.raises(ValueError, match=f'{name}.*torchrun'):
        export_rendezvous('pytorch', PLACE, None)


def test_mpi_needs_the_host_of_rank_0(environment):
    with pytest.raises(ValueError, match='MASTER_ADDR.*mpi'):
        export_rendezvous('mpi', PLACE, None)
    environment['MASTER_ADDR'] = 'here'
    export_rendezvous('mpi', PLACE, None)
    assert environment['MASTER_PORT'] == '29500'
    assert (environment['RANK'], environment['WORLD_SIZE']) == ('5', '8')


def install_scontrol(environment, folder: Path, body: str) -> None:
    script = folder / 'scontrol'
    script.write_text(f'#!/bin/sh\n{body}\n')
    script.chmod(0o755)
    environment['PATH'] = f'{folder}:{environment["PATH"]}'


def test_slurm_meets_on_its_first_node(environment, tmp_path):
    body = '[ "$*" = "show hostname node[3-4]" ] && printf "node3\\nnode4\\n"'
    install_scontrol(environment, tmp_path, body)
    environment.update(SLURM)
    export_rendezvous('slurm', PLACE, None)
    assert environment['MASTER_ADDR'] == 'node3'
    assert environment['MASTER_PORT'] == '29500'


def test_slurm_s_rendezvous_can_be_set(environment):
    environment.update(SLURM, MASTER_ADDR='there', MASTER_PORT='1234')
    export_rendezvous('slurm', PLACE, None)
    assert environment['MASTER_ADDR'] == 'there'
    assert environment['MASTER_PORT'] == '1234'
    export_rendezvous('slurm', PLACE, 4321)
    assert environment['MASTER_PORT'] == '4321'


@pytest.mark.parametrize('body', ['exit 1', 'true'])
def test_a_scontrol_that_fails_is_reported(environment, tmp_path, body):
    install_scontrol(environment, tmp_path, body)
    environment.update(SLURM)
    with pytest.raises(
        ValueError, match=r'name a host. Found .*Set MASTER_ADDR'
    ):
        export_rendezvous('slurm', PLACE, None)


def test_without_scontrol_the_address_is_asked_for(environment, tmp_path):
    environment.update(SLURM, PATH=str(tmp_path))
    with pytest.raises(
        ValueError, match=r'name a host. Found .*Set MASTER_ADDR'
    ):
        export_rendezvous('slurm', PLACE, None)
