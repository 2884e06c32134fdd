"""One rank of an Open MPI start: says what `prepare_launch` made of it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from mmengine.config import Config
from torch import distributed as torch_dist

from mmada.engine.distributed.launch import prepare_launch

TORCHRUN_TO_MPI = dict(
    RANK='OMPI_COMM_WORLD_RANK',
    WORLD_SIZE='OMPI_COMM_WORLD_SIZE',
    LOCAL_RANK='OMPI_COMM_WORLD_LOCAL_RANK',
    LOCAL_WORLD_SIZE='OMPI_COMM_WORLD_LOCAL_SIZE',
)


def meet(folder: Path) -> None:
    """Writes what this rank sees to the file `<rank>.json` of a folder."""
    for name, other in TORCHRUN_TO_MPI.items():
        os.environ[other] = os.environ.pop(name)
    os.environ.pop('OMP_NUM_THREADS', None)
    torch.set_num_threads(3)
    cfg = Config(dict(launcher='mpi', env_cfg=dict(dist_cfg=dict(timeout=77))))
    prepare_launch(cfg)
    prepare_launch(cfg)  # finds the process group of the first call
    rank = torch_dist.get_rank()
    total = torch.tensor(rank + 1)
    torch_dist.all_reduce(total)
    group = torch_dist.distributed_c10d._get_default_group()
    seen = dict(
        sum=int(total),
        world_size=torch_dist.get_world_size(),
        backend=torch_dist.get_backend(),
        timeout=group._get_backend(
            torch.device('cpu')
        ).options._timeout.total_seconds(),
        local_rank=os.environ['LOCAL_RANK'],
        threads=torch.get_num_threads(),
    )
    (folder / f'{rank}.json').write_text(json.dumps(seen))
