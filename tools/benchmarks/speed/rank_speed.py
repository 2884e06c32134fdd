"""How much faster two ranks explore than one.

The same exploration of the demo's tiny panoptic detector on one rank and on
two, one after the other, each rank with one thread. Counted is the time from
the end of the first round to the end of the last, on the wall clock, so that
the machine has to be quiet. What the busiest rank computed meanwhile is given
as well: it says how well the work is shared out, whoever else is about.

python tools/benchmarks/speed/rank_speed.py
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from measure import ROOT, parser, show_ratio, show_surroundings, synchronize
from mmengine.hooks import Hook
from mmengine.runner import Runner
from tiny_problem import TinyProblem

from mmada.commands.command_line import ends_with_reader
from mmada.engine.distributed.launch import prepare_launch


class RoundClock(Hook):
    """Notes when rounds end.

    Attributes:
        ends: For each round wall clock and processor time, in seconds.
    """

    def __init__(self) -> None:
        self.ends: list[tuple[float, float]] = []

    def after_exploration_round(self, runner: Any, record: Any) -> None:
        """Note the time at the end of a round."""
        synchronize()
        self.ends.append((time.monotonic(), time.process_time()))


def work(
    folder: Path,
    sizes: argparse.Namespace,
    prepare: Callable[[Runner], object] = lambda runner: None,
) -> None:
    """Explore as one of the ranks and write what the rounds took.

    Args:
        folder: Of scenes and results.
        sizes: Options of the command line.
        prepare: Called with the runner before it trains.
    """
    problem = TinyProblem(folder, sizes.iters, sizes.reward)
    world_size, rank = os.environ['WORLD_SIZE'], os.environ['RANK']
    name = f'ranks_{world_size}_{os.environ["MASTER_PORT"]}'
    config = problem.exploring(name, sizes.rounds + 1, sizes.replicas)
    config.launcher = 'none' if world_size == '1' else 'pytorch'
    prepare_launch(config)
    runner = Runner.from_cfg(config)
    clock = RoundClock()
    runner.register_hook(clock)
    prepare(runner)
    runner.train()
    found = [b - a for a, b in zip(clock.ends[0], clock.ends[-1], strict=True)]
    (folder / f'rank_{rank}.json').write_text(json.dumps(found))


def run_ranks(
    folder: Path, ranks: int, options: list[str], script: str
) -> list[Any]:
    """Run a script on some ranks, in processes of their own.

    Args:
        folder: Each rank writes `rank_<number>.json` into it.
        ranks: How many.
        options: Of the command line, after `--worker` and the folder.
        script: What is run.

    Returns:
        What the ranks wrote.

    Raises:
        RuntimeError: If a rank failed.
    """
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    shared = dict(
        os.environ,
        MASTER_ADDR='127.0.0.1',
        MASTER_PORT=str(port),
        WORLD_SIZE=str(ranks),
        LOCAL_WORLD_SIZE=str(ranks),
        OMP_NUM_THREADS='1',
    )
    processes = [
        subprocess.Popen(
            [sys.executable, script, '--worker', str(folder), *options],
            env=dict(shared, RANK=str(rank), LOCAL_RANK=str(rank)),
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
        for rank in range(ranks)
    ]
    if any([process.wait() for process in processes]):
        raise RuntimeError('a rank failed; see above')
    return [
        json.loads((folder / f'rank_{rank}.json').read_text())
        for rank in range(ranks)
    ]


def explore(
    folder: Path, ranks: int, options: list[str], script: str = __file__
) -> list[float]:
    """Explore on some ranks, in processes of their own.

    Args:
        folder: Of scenes and results.
        ranks: How many.
        options: Of the command line.
        script: Calls `work` for its option `--worker`.

    Returns:
        Seconds of the rounds on the wall clock, and the processor time of
        the rank that used most.

    Raises:
        RuntimeError: If a rank failed.
    """
    times = run_ranks(folder, ranks, options, script)
    return [max(column) for column in zip(*times, strict=True)]


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    options = parser(__doc__, repeats=2)
    options.add_argument(
        '--rounds', type=int, default=2, help='counted; one more goes before'
    )
    options.add_argument('--replicas', type=int, default=4)
    options.add_argument('--iters', type=int, default=60)
    options.add_argument('--reward', type=int, default=96)
    options.add_argument('--worker', type=Path, help=argparse.SUPPRESS)
    args = options.parse_args(argv)
    if args.quick:
        args.repeats = args.rounds = args.iters = 1
        args.replicas = args.reward = 2
    return args


@ends_with_reader()
def main(argv: list[str] | None = None) -> None:
    """Print times and speed-up."""
    args = parse_args(argv)
    if args.worker:
        work(args.worker, args)
        return
    show_surroundings(
        f'{args.rounds} rounds of {args.replicas} replicas, {args.iters} '
        f'iterations and {args.reward} evaluated images each; one thread a '
        'rank'
    )
    options = [
        f'--{name}={getattr(args, name)}'
        for name in ('rounds', 'replicas', 'iters', 'reward')
    ]
    found: dict[int, list[list[float]]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as name:
        TinyProblem(Path(name), args.iters, args.reward)  # the scenes
        for _ in range(args.repeats):
            for ranks, times in found.items():
                times.append(explore(Path(name), ranks, options))
                wall, busy = times[-1]
                print(
                    f'{ranks} rank(s): {wall:.1f} s on the wall clock, '
                    f'{busy:.1f} s of work of the busiest rank',
                    flush=True,
                )
    for i, (name, goal) in enumerate(
        (
            ('wall clock of 1 rank / of 2', 'goal: at least 1.8'),
            ('work of 1 rank / of the busiest of 2', 'no goal'),
        )
    ):
        one, two = ([times[i] for times in found[ranks]] for ranks in (1, 2))
        show_ratio(name, one, two, goal)


if __name__ == '__main__':
    main()
