"""What torchrun, Slurm and Open MPI tell a rank about its place."""

from __future__ import annotations

import os
import re
import subprocess
from typing import NamedTuple


class _Variables(NamedTuple):
    """Where a launcher tells a rank its place, and how it is used."""

    rank: str
    world_size: str
    local_rank: str
    local_size: tuple[str, ...]  # the first one that is set counts
    usage: str


_LAUNCHERS = {
    'pytorch': _Variables(
        'RANK',
        'WORLD_SIZE',
        'LOCAL_RANK',
        ('LOCAL_WORLD_SIZE',),
        'torchrun --nproc-per-node N tools/train.py CONFIG --launcher '
        'pytorch, or tools/dist_train.sh CONFIG N',
    ),
    'slurm': _Variables(
        'SLURM_PROCID',
        'SLURM_NTASKS',
        'SLURM_LOCALID',
        (
            'SLURM_STEP_TASKS_PER_NODE',
            'SLURM_TASKS_PER_NODE',
            'SLURM_NTASKS_PER_NODE',
        ),
        'srun --ntasks N python tools/train.py CONFIG --launcher slurm, or '
        'tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR',
    ),
    'mpi': _Variables(
        'OMPI_COMM_WORLD_RANK',
        'OMPI_COMM_WORLD_SIZE',
        'OMPI_COMM_WORLD_LOCAL_RANK',
        ('OMPI_COMM_WORLD_LOCAL_SIZE',),
        'mpirun -n N -x MASTER_ADDR=HOST_OF_RANK_0 python tools/train.py '
        'CONFIG --launcher mpi, with Open MPI',
    ),
}


class Placement(NamedTuple):
    """The place of this rank among all ranks and on its node.

    Attributes:
        rank: Number among all ranks.
        world_size: Number of all ranks.
        local_rank: Number among the ranks of this node.
        local_size: Ranks of this node, or of the node that has most; None
            where the launcher does not say.
    """

    rank: int
    world_size: int
    local_rank: int
    local_size: int | None


def read_placement(launcher: str) -> Placement:
    """Reads this rank's place from the launcher's environment.

    Args:
        launcher: pytorch, slurm or mpi.
    """
    if launcher not in _LAUNCHERS:
        raise ValueError(
            f'`launcher` is {launcher!r}; expected none, '
            f'{", ".join(_LAUNCHERS)}.'
        )
    names = _LAUNCHERS[launcher]
    return Placement(
        _number(names.rank, launcher),
        _number(names.world_size, launcher),
        _number(names.local_rank, launcher),
        _local_size(names.local_size),
    )


def _variable(name: str, launcher: str) -> str:
    if name not in os.environ:
        raise ValueError(
            f'The environment variable {name}, expected from launcher '
            f'{launcher}, is not set. Start with: '
            f'{_LAUNCHERS[launcher].usage}.'
        )
    return os.environ[name]


def _number(name: str, launcher: str) -> int:
    text = _variable(name, launcher)
    if not text.isdecimal():
        raise ValueError(
            f'The environment variable {name} of launcher {launcher} is '
            f'{text!r}; expected a number.'
        )
    return int(text)


def _local_size(names: tuple[str, ...]) -> int | None:
    for name in names:
        # Slurm lists its nodes: 8(x3),2 for three nodes of 8 and one of 2.
        counts = re.findall(r'(?:^|,)(\d+)', os.environ.get(name, ''))
        if counts:
            return max(map(int, counts))
    return None


def export_meeting_point(
    launcher: str, place: Placement, port: int | None
) -> None:
    """Sets the variables that torch reads, as MMEngine would.

    Args:
        launcher: pytorch, slurm or mpi.
        place: This rank's place.
        port: Slurm only: port of rank 0; None for MASTER_PORT, or 29500.
    """
    os.environ['RANK'] = str(place.rank)
    os.environ['WORLD_SIZE'] = str(place.world_size)
    if launcher == 'pytorch':
        _number('MASTER_PORT', launcher)
    elif launcher == 'slurm' and port is not None:
        os.environ['MASTER_PORT'] = str(port)
    os.environ.setdefault('MASTER_PORT', '29500')
    if launcher == 'slurm' and 'MASTER_ADDR' not in os.environ:
        os.environ['MASTER_ADDR'] = _first_host(
            _variable('SLURM_NODELIST', launcher)
        )
    _variable('MASTER_ADDR', launcher)


def _first_host(nodes: str) -> str:
    """Asks Slurm for the first name in a list such as node[3-5]."""
    command = ['scontrol', 'show', 'hostname', nodes]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True
        )
        return done.stdout.split()[0]
    except (OSError, subprocess.CalledProcessError, IndexError) as error:
        raise ValueError(
            f'`{" ".join(command)}` names no host ({error}). Set MASTER_ADDR '
            'to the host of rank 0.'
        ) from error
