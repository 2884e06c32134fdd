"""The start of a rank where MMEngine's own start fails.

MMEngine gives each rank of a node an accelerator of its own: it selects GPU
number LOCAL_RANK, starts NCCL, and names that GPU to DDP. Without a GPU, or
with more ranks on a node than GPUs, each of these steps fails. Here the ranks
meet through gloo instead, and share the GPUs that there are. MMEngine leaves
a process group that exists alone.

torchrun, Slurm and Open MPI put a rank's place into environment variables of
their own.
"""

from __future__ import annotations

import atexit
import os
import re
import subprocess
import sys
from datetime import timedelta
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import print_log
from mmengine.registry import MODEL_WRAPPERS
from torch import distributed as torch_dist
from torch.nn.parallel import DistributedDataParallel


def prepare_launch(cfg: Config) -> None:
    """Start the process group if MMEngine's own start would fail.

    To be called before the Runner is built. Where each rank of a node has
    an accelerator of its own, the start is left to MMEngine. Nodes have to
    be alike, for each decides by itself.

    Args:
        cfg: The run's config, with `launcher`; `env_cfg.dist_cfg.timeout`
            (seconds) is kept, the backend is gloo. `model_wrapper_cfg` is
            completed where a process group is started.
    """
    launcher = cfg.get('launcher', 'none')
    if launcher == 'none' or torch_dist.is_initialized():
        return
    place = read_placement(launcher)
    # MMEngine gives this GPU to DDP, but sets no LOCAL_RANK under MPI.
    os.environ['LOCAL_RANK'] = str(place.local_rank)
    if _has_own_accelerator(place):
        return
    dist_cfg = cfg.get('env_cfg', {}).get('dist_cfg', {})
    export_rendezvous(launcher, place, dist_cfg.get('port'))
    device = _select_device(place)
    _limit_threads()
    torch_dist.init_process_group('gloo', timeout=_timeout(dist_cfg))
    atexit.register(_leave)
    cfg.model_wrapper_cfg = _wrapper_config(cfg, device)
    if place.rank == 0:
        print_log(
            f'{place.world_size} ranks meet through gloo: no GPU for each '
            f'of them, {torch.cuda.device_count()} on this node.'
        )


def _has_own_accelerator(place: Placement) -> bool:
    """Return whether each rank of the node has an accelerator."""
    if get_device() != 'cuda' or place.local_size is None:
        return get_device() != 'cpu'
    return place.local_size <= torch.cuda.device_count()


def _select_device(place: Placement) -> int | None:
    count = torch.cuda.device_count()
    if count == 0:
        return None
    device = place.local_rank % count
    torch.cuda.set_device(device)
    # MMEngine takes it for the number of a GPU, and its log ends with an
    # IndexError where there are fewer.
    os.environ['LOCAL_RANK'] = str(device)
    return device


def _limit_threads() -> None:
    # MMEngine sets the variable to 1 for distributed runs, too late for
    # this process: its torch has read it. torchrun sets it in time.
    if 'OMP_NUM_THREADS' not in os.environ:
        torch.set_num_threads(1)


def _leave() -> None:
    # Python's end aborts a process in which a thread of gloo still lets go
    # of a tensor. After an error the threads may wait for ranks that no
    # longer answer, and a status of failure is right.
    if torch_dist.is_initialized() and not hasattr(sys, 'last_value'):
        torch_dist.destroy_process_group()


def _timeout(dist_cfg: dict[str, Any]) -> timedelta | None:
    seconds = dist_cfg.get('timeout')
    if seconds is None:
        return None
    if not isinstance(seconds, (int, float)) or seconds <= 0:
        raise ValueError(
            '`env_cfg.dist_cfg.timeout` should be a positive number of '
            f'seconds. Found {seconds!r}.'
        )
    return timedelta(seconds=seconds)


def _wrapper_config(cfg: Config, device: int | None) -> dict[str, Any]:
    """Complete the model wrapper as MMEngine would, for this device."""
    config = cfg.get('model_wrapper_cfg')
    if config is None:
        config = dict(
            broadcast_buffers=False,
            find_unused_parameters=cfg.get('find_unused_parameters', False),
        )
    kind = config.setdefault('type', 'MMDistributedDataParallel')
    if isinstance(kind, str):
        kind = MODEL_WRAPPERS.get(kind)
    if isinstance(kind, type) and issubclass(kind, DistributedDataParallel):
        ids = None if device is None else [device]
        config.setdefault('device_ids', ids)
    return config


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


class _Variables(NamedTuple):
    """Where a launcher puts a rank's place, and how it is started."""

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


def read_placement(launcher: str) -> Placement:
    """Read this rank's place from the launcher's environment.

    Args:
        launcher: pytorch, slurm or mpi.
    """
    if launcher not in _LAUNCHERS:
        raise ValueError(
            f'`launcher` should be one of none, {", ".join(_LAUNCHERS)}. '
            f'Found {launcher!r}.'
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
            f'The environment variable {name} should be set by launcher '
            f'{launcher}. Found none. Start with: '
            f'{_LAUNCHERS[launcher].usage}.'
        )
    return os.environ[name]


def _number(name: str, launcher: str) -> int:
    text = _variable(name, launcher)
    if not text.isdecimal():
        raise ValueError(
            f'The environment variable {name} of launcher {launcher} should '
            f'be a number. Found {text!r}.'
        )
    return int(text)


def _local_size(names: tuple[str, ...]) -> int | None:
    for name in names:
        # Slurm lists its nodes: 8(x3),2 for three nodes of 8 and one of 2.
        counts = re.findall(r'(?:^|,)(\d+)', os.environ.get(name, ''))
        if counts:
            return max(map(int, counts))
    return None


def export_rendezvous(
    launcher: str, place: Placement, port: int | None
) -> None:
    """Set the variables that torch reads, as MMEngine would.

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
    """Ask Slurm for the first name in a list such as node[3-5]."""
    command = ['scontrol', 'show', 'hostname', nodes]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True
        )
        return done.stdout.split()[0]
    except (OSError, subprocess.CalledProcessError, IndexError) as error:
        raise ValueError(
            f'The command `{" ".join(command)}` should name a host. Found '
            f'none ({error}). Set MASTER_ADDR to the host of rank 0.'
        ) from error
