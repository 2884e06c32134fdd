"""Starts the ranks of a distributed test as processes of their own."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch.distributed as torch_dist

ROOT = Path(__file__).resolve().parents[2]


# Of a Runner on the CPU whose process group is there already.
RUNNER_OPTIONS = dict(
    launcher='pytorch',
    model_wrapper_cfg=dict(
        type='MMDistributedDataParallel',
        device_ids=None,
        broadcast_buffers=False,
    ),
)


def world_size() -> int:
    """Returns the number of ranks, in a worker."""
    return int(os.environ.get('WORLD_SIZE', 1))


def join() -> dict:
    """Joins the ranks, in a worker.

    Returns:
        What a Runner needs to be told; nothing for a single rank.
    """
    if world_size() == 1:
        return {}
    torch_dist.init_process_group('gloo')
    return RUNNER_OPTIONS


def leave() -> None:
    """Ends a worker that has joined and done well.

    Gloo's threads may abort a process that ends in the ordinary way.
    """
    if torch_dist.is_initialized():
        torch_dist.barrier()
        sys.stdout.flush()
        os._exit(0)


def free_port() -> int:
    """Returns a port of this machine that nobody listens on."""
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]


def start(script, world_size, *args, only=(), **env):
    """Starts `python script args` once a rank, as torchrun would.

    Args:
        script: File of the worker.
        world_size: Number of ranks.
        *args: Arguments of each.
        only: A rank and a dict of variables that it alone gets.
        **env: Additional variables of the environment.

    Returns:
        The processes, by rank; each has a file `output`.
    """
    shared = dict(
        os.environ,
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(free_port()),
        WORLD_SIZE=str(world_size),
        LOCAL_WORLD_SIZE=str(world_size),
        OMP_NUM_THREADS='1',
        PYTHONPATH=str(ROOT),
        **env,
    )
    processes = []
    for rank in range(world_size):
        special = dict([only]).get(rank, {}) if only else {}
        # A pipe could fill up; `finish` closes it.
        output = tempfile.TemporaryFile('w+')  # noqa: SIM115
        process = subprocess.Popen(
            [sys.executable, str(script), *map(str, args)],
            env=dict(shared, RANK=str(rank), LOCAL_RANK=str(rank), **special),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        process.output = output
        processes.append(process)
    return processes


def finish(processes, timeout=180):
    """Waits for all ranks; kills what is left when the time is over.

    Returns:
        Exit statuses (negative: a signal) and outputs, by rank.
    """
    deadline = time.monotonic() + timeout
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(deadline - time.monotonic(), 0.1))
    for process in processes:
        process.kill()
    codes, outputs = [], []
    for process in processes:
        codes.append(process.wait())
        process.output.seek(0)
        outputs.append(process.output.read())
        process.output.close()
    return codes, outputs


def run(script, world_size, *args, **env):
    """Runs all ranks to their end, which has to be a good one.

    Returns:
        Their outputs, by rank.
    """
    codes, outputs = finish(start(script, world_size, *args, **env))
    assert codes == [0] * world_size, '\n'.join(outputs)
    return outputs
