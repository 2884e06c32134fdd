"""The start of a rank where MMEngine's own start fails.

MMEngine gives each rank of a node an accelerator of its own: it selects GPU
number LOCAL_RANK, starts NCCL, and names that GPU to DDP. Without a GPU, or
with more ranks on a node than GPUs, each of these steps fails. Here the ranks
meet through gloo instead, and share the GPUs that there are. MMEngine leaves
a process group that exists alone.
"""

from __future__ import annotations

import atexit
import os
import sys
from datetime import timedelta
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.logging import print_log
from mmengine.registry import MODEL_WRAPPERS
from torch import distributed as torch_dist
from torch.nn.parallel import DistributedDataParallel

from mmada.engine.distributed.launchers import (
    Placement,
    export_meeting_point,
    read_placement,
)


def prepare_launch(cfg: Config) -> None:
    """Starts the process group if MMEngine's own start would fail.

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
    export_meeting_point(launcher, place, dist_cfg.get('port'))
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
    """Whether MMEngine finds an accelerator for each rank of the node."""
    if get_device() != 'cuda' or place.local_size is None:
        return get_device() != 'cpu'
    return place.local_size <= torch.cuda.device_count()


def _select_device(place: Placement) -> int | None:
    count = torch.cuda.device_count()
    if count == 0:
        return None
    device = place.local_rank % count
    torch.cuda.set_device(device)
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
            f'`env_cfg.dist_cfg.timeout` is {seconds!r}; expected a positive '
            'number of seconds.'
        )
    return timedelta(seconds=seconds)


def _wrapper_config(cfg: Config, device: int | None) -> dict[str, Any]:
    """Completes the model wrapper as MMEngine would, for this device."""
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
