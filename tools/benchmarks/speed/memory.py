"""Memory of explorations of 2, of 8 or of other numbers of replicas.

Each runs in a process of its own, on a ResNet-50 whose state (parameters,
buffers, momentum) is by far the largest thing there. Its peak is the largest
resident set, on CUDA the largest amount that torch allocated.

OMP_NUM_THREADS=1 python tools/benchmarks/speed/memory.py
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import torch
from measure import parser, show_ratio, show_surroundings
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.runner import Runner
from wide_problem import DEPTH, num_bytes

from mmada.commands.command_line import ends_with_reader
from mmada.engine.replicas.live_replica import LiveReplica

ROUNDS = 2


def make_config(
    folder: str,
    replicas: int,
    depth: int,
    rounds: int = ROUNDS,
    extra: int = 0,
) -> Config:
    """Return the config of an exploration."""
    loader = dict(
        batch_size=2,
        num_workers=0,
        sampler=dict(type='DefaultSampler', shuffle=False),
        dataset=dict(type='WideImages'),
    )
    return Config(
        dict(
            model=dict(
                type='LossWeightWrapper',
                objectives={'0': 'loss_0', '1': 'loss_1'},
                detector=dict(type='WideModel', depth=depth, extra=extra),
            ),
            work_dir=folder,
            train_dataloader=loader,
            optim_wrapper=dict(
                type='OptimWrapper',
                constructor='HeadRuleOptimWrapperConstructor',
                optimizer=dict(type='SGD', lr=1e-6, momentum=0.9),
            ),
            train_cfg=dict(
                type='ParallelExplorationLoop',
                num_rounds=rounds,
                controller=dict(type='AdaSegment', num_replicas=replicas),
                reward_dataloader=loader,
                reward_evaluator=dict(type='NoMetric'),
                reward_metric='wide/score',
            ),
            log_level='ERROR',
            default_scope='mmengine',
        )
    )


def now() -> int:
    """Return the bytes that are in use."""
    if get_device() == 'cuda':
        return torch.cuda.memory_allocated()
    return resident('VmRSS')


def most() -> int:
    """Return the most bytes that ever were in use."""
    if get_device() == 'cuda':
        return torch.cuda.max_memory_allocated()
    return resident('VmHWM')


def resident(field: str) -> int:
    """Return a number of bytes that the kernel has of this process."""
    lines = Path('/proc/self/status').read_text().splitlines()
    return next(
        1024 * int(line.split()[1])
        for line in lines
        if line.startswith(f'{field}:')
    )


def explore(replicas: int, depth: int) -> dict[str, int]:
    """Explore and return sizes in bytes.

    Returns:
        `state`, what one replica needs; `before`, what was there already,
        libraries above all; `peak`, the most that was there.
    """
    before = now()
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner.from_cfg(make_config(folder, replicas, depth))
        runner.train()
    peak = most()  # before the state is captured again, for its size
    live = LiveReplica(runner.model, runner.optim_wrapper)
    return dict(state=num_bytes(live.capture()), before=before, peak=peak)


def measure(replicas: int, depth: int) -> dict[str, Any]:
    """Explore in a process of its own."""
    output = subprocess.run(
        [sys.executable, __file__, '--worker', str(replicas), str(depth)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    return json.loads(output.splitlines()[-1])


def show(replicas: int, found: dict[str, int]) -> None:
    """Print what one exploration took."""
    own = found['peak'] - found['before']
    print(
        f'm = {replicas}: peak {found["peak"] / 1e6:.0f} MB, '
        f'{own / 1e6:.0f} MB more than before; the state is '
        f'{found["state"] / 1e6:.0f} MB, so live model, snapshots and '
        f'gradients took {own / found["state"]:.2f} states',
        flush=True,
    )


@ends_with_reader()
def main(argv: list[str] | None = None) -> None:
    """Print peaks and ratios."""
    options = parser(__doc__, repeats=3)
    options.add_argument('--replicas', type=int, nargs='+', default=[2, 8])
    options.add_argument('--worker', type=int, nargs=2, help=argparse.SUPPRESS)
    args = options.parse_args(argv)
    if args.worker:
        print(json.dumps(explore(*args.worker)))
        return
    if args.quick:
        args.replicas, args.repeats = [2, 3], 1
    depth = 18 if args.quick else DEPTH
    numbers = ' and of '.join(map(str, args.replicas))
    show_surroundings(f'{ROUNDS} rounds of {numbers} replicas, ResNet-{depth}')
    found: dict[int, list[dict[str, int]]] = {m: [] for m in args.replicas}
    for _ in range(args.repeats):
        with ThreadPoolExecutor() as pool:  # they do not share memory
            results = pool.map(partial(measure, depth=depth), found)
        for m, result in zip(found, results, strict=True):
            found[m].append(result)
            show(m, result)
    first, *others = found
    for m in others:
        compare(m, found[m], first, found[first])


def compare(
    replicas: int,
    above: list[dict[str, int]],
    fewer: int,
    below: list[dict[str, int]],
) -> None:
    """Print the ratios of the peaks of two numbers of replicas."""
    name = f'peak of {replicas} replicas / peak of {fewer}'
    peaks, lows = ([f['peak'] for f in each] for each in (above, below))
    show_ratio(name, peaks, lows, 'goal: at most 1.10')
    own, low = (
        [f['peak'] - f['before'] for f in each] for each in (above, below)
    )
    show_ratio(f'{name}, both less what was there before', own, low)


if __name__ == '__main__':
    main()
