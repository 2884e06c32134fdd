"""Starts a function once a rank, each in a process of its own.

The processes are forked from a server that has imported mmada and the stack,
which takes seconds, so that a rank costs little more than its own time.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as torch_dist

# Else the server's question for a GPU would keep its children from using it.
os.environ.setdefault('PYTORCH_NVML_BASED_CUDA_CHECK', '1')
_forked = multiprocessing.get_context('forkserver')
_forked.set_forkserver_preload(
    # The second is what torch's optimizers import when the first is made.
    ['tests.support.toy', 'torch._dynamo', 'pytest']
)
_starts = itertools.count()
_RENDEZVOUS = 'MMADA_TESTS_RENDEZVOUS'

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
    """Returns the number of ranks, in a rank."""
    return int(os.environ.get('WORLD_SIZE', 1))


def join() -> dict[str, Any]:
    """Joins the ranks, in a rank.

    They meet through a file, or through what torchrun has set.

    Returns:
        What a Runner needs to be told; nothing for a single rank.
    """
    if world_size() == 1:
        return {}
    rendezvous = os.environ.get(_RENDEZVOUS)
    torch_dist.init_process_group(
        'gloo',
        init_method=f'file://{rendezvous}' if rendezvous else None,
        rank=int(os.environ['RANK']),
        world_size=world_size(),
    )
    return RUNNER_OPTIONS


@contextlib.contextmanager
def agent() -> Iterator[dict[str, str]]:
    """Holds the store that torchrun's agent holds, at a port of its own.

    Yields:
        Variables of the environment with which ranks meet there.
    """
    store = torch_dist.TCPStore(
        '127.0.0.1', 0, is_master=True, wait_for_workers=False
    )
    yield dict(
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(store.port),
        TORCHELASTIC_USE_AGENT_STORE='True',
        TORCHELASTIC_RESTART_COUNT='0',
    )


def start(
    function: Callable[..., object],
    world_size: int,
    *args: object,
    only: tuple[()] | tuple[int, dict[str, str]] = (),
    env: dict[str, str] | None = None,
    output: str | Path | None = None,
    **options: object,
) -> list[ForkServerProcess]:
    """Starts `function(*args, **options)` once a rank, as torchrun would.

    Args:
        function: Of a module.
        world_size: Number of ranks.
        *args: Of the function.
        only: A rank and a dict of variables that it alone gets.
        env: Additional variables of the environment.
        output: File that what a rank prints is appended to; `{}` is its
            number.
        **options: Of the function.

    Returns:
        The processes, by rank.
    """
    stem = f'{_folder().name}/{next(_starts)}'
    path = str(output or f'{stem}_rank{{}}.txt')
    shared = dict(
        os.environ,
        WORLD_SIZE=str(world_size),
        LOCAL_WORLD_SIZE=str(world_size),
        **{_RENDEZVOUS: stem},
        **env or {},
    )
    processes = []
    for rank in range(world_size):
        own = dict(shared, RANK=str(rank), LOCAL_RANK=str(rank))
        if only and only[0] == rank:
            own.update(only[1])
        process = _forked.Process(
            target=_run,
            args=(own, os.getcwd(), path.format(rank)),
            kwargs=dict(function=function, args=args, options=options),
        )
        process.output = path.format(rank)  # type: ignore[attr-defined]
        Path(process.output).touch()  # it may be killed before it opens it
        process.start()
        processes.append(process)
    return processes


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix='mmada_ranks_')


def _run(
    env: dict[str, str],
    folder: str,
    output: str,
    function: Callable[..., object],
    args: tuple[object, ...],
    options: dict[str, object],
) -> None:
    with open(output, 'a') as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    # The server's are those of the first test that has started a rank.
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    np.random.seed()  # else all ranks draw the same numbers
    torch.set_num_threads(1)
    function(*args, **options)
    if torch_dist.is_initialized():
        torch_dist.barrier()  # the others may still be at their last exchange


def finish(
    processes: Sequence[ForkServerProcess], timeout: float = 180
) -> tuple[list[int], list[str]]:
    """Waits for all ranks; kills what is left when the time is over.

    Returns:
        Exit statuses (negative: a signal) and outputs, by rank.
    """
    deadline = time.monotonic() + timeout
    for process in processes:
        process.join(max(deadline - time.monotonic(), 0.1))
    for process in processes:
        process.kill()
        process.join()
    return (
        [process.exitcode for process in processes],
        [Path(process.output).read_text() for process in processes],
    )


def run(
    function: Callable[..., object],
    world_size: int,
    *args: object,
    timeout: float = 180,
    **options: Any,
) -> list[str]:
    """Runs all ranks to their end, which has to be a good one.

    Returns:
        Their outputs, by rank.
    """
    started = start(function, world_size, *args, **options)
    codes, outputs = finish(started, timeout)
    assert codes == [0] * world_size, '\n'.join(outputs)
    return outputs
