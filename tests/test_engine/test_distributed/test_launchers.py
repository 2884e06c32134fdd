from __future__ import annotations

import os
from pathlib import Path

import pytest

from mmada.engine.distributed.launchers import (
    Placement,
    export_meeting_point,
    read_placement,
)

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
    with pytest.raises(ValueError, match=f'{missing},.*{launcher},.*{usage}'):
        read_placement(launcher)


def test_a_variable_that_is_no_number_is_named(environment):
    environment.update(TORCHRUN, RANK='first')
    with pytest.raises(ValueError, match="RANK of launcher pytorch .*'first'"):
        read_placement('pytorch')


def test_an_unknown_launcher_is_refused():
    with pytest.raises(ValueError, match="'srun'; expected none, pytorch"):
        read_placement('srun')


@pytest.mark.parametrize('name', ['MASTER_ADDR', 'MASTER_PORT'])
def test_torchrun_says_where_to_meet(environment, name):
    environment.update(MASTER_ADDR='here', MASTER_PORT='1234')
    del environment[name]
    with pytest.raises(ValueError, match=f'{name}.*torchrun'):
        export_meeting_point('pytorch', PLACE, None)


def test_mpi_needs_the_host_of_rank_0(environment):
    with pytest.raises(ValueError, match='MASTER_ADDR.*mpi'):
        export_meeting_point('mpi', PLACE, None)
    environment['MASTER_ADDR'] = 'here'
    export_meeting_point('mpi', PLACE, None)
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
    export_meeting_point('slurm', PLACE, None)
    assert environment['MASTER_ADDR'] == 'node3'
    assert environment['MASTER_PORT'] == '29500'


def test_slurm_s_meeting_point_can_be_set(environment):
    environment.update(SLURM, MASTER_ADDR='there', MASTER_PORT='1234')
    export_meeting_point('slurm', PLACE, None)
    assert environment['MASTER_ADDR'] == 'there'
    assert environment['MASTER_PORT'] == '1234'
    export_meeting_point('slurm', PLACE, 4321)
    assert environment['MASTER_PORT'] == '4321'


@pytest.mark.parametrize('body', ['exit 1', 'true'])
def test_a_scontrol_that_fails_is_reported(environment, tmp_path, body):
    install_scontrol(environment, tmp_path, body)
    environment.update(SLURM)
    with pytest.raises(ValueError, match=r'names no host .*Set MASTER_ADDR'):
        export_meeting_point('slurm', PLACE, None)


def test_without_scontrol_the_address_is_asked_for(environment, tmp_path):
    environment.update(SLURM, PATH=str(tmp_path))
    with pytest.raises(ValueError, match=r'names no host .*Set MASTER_ADDR'):
        export_meeting_point('slurm', PLACE, None)
