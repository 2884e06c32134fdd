"""Memory and time of a search whose states are as large as real ones.

A small network with so many more parameters that its state, with momentum, is
that of a Cascade R-101: 0.7 GB. Two ranks explore with one iteration a
segment, so that what is beside the training shows. Sizes are resident sets of
the main memory.

OMP_NUM_THREADS=1 python tools/benchmarks/speed/large_states.py
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

from measure import parser, show_surroundings
from memory import make_config, resident
from mmengine.hooks import Hook
from mmengine.runner import Runner
from rank_speed import run_ranks
from wide_problem import num_bytes

from mmada.commands.command_line import ends_with_reader
from mmada.engine.distributed.launch import prepare_launch
from mmada.engine.exploration import replica_runner
from mmada.engine.exploration.exploration import Exploration
from mmada.engine.replicas.live_replica import LiveReplica
from mmada.engine.reward import RewardEvaluator

RANKS = 2
PARTS = {
    'training': (replica_runner, 'train_segment'),
    'evaluation': (RewardEvaluator, 'score'),
    'restoring': (LiveReplica, 'restore'),
    'committing': (Exploration, '_commit'),
    'fingerprint': (Exploration, '_chain'),
    'rounds': (Exploration, 'run_round'),
}
"""What is timed: functions by the name of their part."""


class PeakOfRounds(Hook):
    """Notes what was in use at most, before the explored model is saved.

    MMEngine has a checkpoint twice in memory while it saves it.

    Attributes:
        value: Bytes.
    """

    value = 0

    def after_exploration_round(self, runner: Any, record: Any) -> None:
        """Note the peak so far."""
        self.value = resident('VmHWM')


def timed(name: str, function: Any, seconds: dict[str, list[float]]) -> Any:
    """Return the function, which notes wall clock and processor time."""

    def run(*args: Any, **kwargs: Any) -> Any:
        began = _clocks()
        try:
            return function(*args, **kwargs)
        finally:
            taken = [b - a for a, b in zip(began, _clocks(), strict=True)]
            seconds[name] = [
                a + b for a, b in zip(seconds[name], taken, strict=True)
            ]

    return run


def _clocks() -> tuple[float, float]:
    return time.monotonic(), time.process_time()


def work(folder: Path, args: argparse.Namespace) -> None:
    """Explore as one of the ranks and write what it took."""
    config = make_config(
        str(folder / 'work'), args.replicas, 18, args.rounds, args.extra
    )
    config.launcher = 'pytorch'
    prepare_launch(config)
    seconds = {name: [0.0, 0.0] for name in PARTS}
    for name, (owner, attribute) in PARTS.items():
        function = timed(name, getattr(owner, attribute), seconds)
        mock.patch.object(owner, attribute, function).start()
    before, peak = resident('VmRSS'), PeakOfRounds()
    runner = Runner.from_cfg(config)
    runner.register_hook(peak)
    runner.train()
    live = LiveReplica(runner.model, runner.optim_wrapper)
    found = dict(
        state=num_bytes(live.capture()),
        taken=peak.value - before,
        written=_written(),
        seconds=seconds,
    )
    rank = os.environ['RANK']
    (folder / f'rank_{rank}.json').write_text(json.dumps(found))


def _written() -> int:
    """Return the bytes that this process has sent to the disk."""
    lines = Path('/proc/self/io').read_text().splitlines()
    return next(
        int(line.split()[1])
        for line in lines
        if line.startswith('write_bytes')
    )


def show(rank: int, found: dict[str, Any], rounds: int) -> None:
    """Print what a rank took."""
    state, seconds = found['state'], found['seconds']
    beside = found['taken'] / state - 1
    print(
        f'rank {rank}: state {state / 1e6:.0f} MB; at most '
        f'{found["taken"] / 1e6:.0f} MB more than before, that is, '
        f'{beside:.2f} states beside the live model and optimizer; '
        f'{found["written"] / rounds / 1e6:.0f} MB written a round'
    )
    for clock, name in enumerate(('on the wall clock', 'of work')):
        parts = {k: f'{v[clock] / rounds:.2f}' for k, v in seconds.items()}
        whole = parts.pop('rounds')
        listed = ', '.join(f'{k} {v}' for k, v in parts.items())
        print(f'  {whole} s {name} a round: {listed}', flush=True)


@ends_with_reader()
def main(argv: list[str] | None = None) -> None:
    """Print memory, bytes and times of each rank."""
    options = parser(__doc__, repeats=1)
    options.add_argument('--rounds', type=int, default=3)
    options.add_argument('--replicas', type=int, default=8)
    options.add_argument(
        '--extra', type=int, default=77, help='millions of parameters'
    )
    options.add_argument(
        '--work-dir', help='where to write; defaults to a temporary directory'
    )
    options.add_argument('--worker', type=Path, help=argparse.SUPPRESS)
    args = options.parse_args(argv)
    if args.worker:
        work(args.worker, args)
        return
    if args.quick:
        args.rounds, args.replicas, args.extra = 1, 2, 1
    show_surroundings(
        f'{args.rounds} rounds of {args.replicas} replicas on {RANKS} ranks, '
        'one iteration each'
    )
    given = [
        f'--{name}={getattr(args, name)}'
        for name in ('rounds', 'replicas', 'extra')
    ]
    for _ in range(1 if args.quick else args.repeats):
        with tempfile.TemporaryDirectory(dir=args.work_dir) as name:
            ranks = run_ranks(Path(name), RANKS, given, __file__)
            for rank, found in enumerate(ranks):
                show(rank, found, args.rounds)


if __name__ == '__main__':
    main()
