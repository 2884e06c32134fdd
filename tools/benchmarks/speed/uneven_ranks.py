"""What a slow rank and a number of replicas that does not divide cost.

First a simulation of three ways to share replicas out: waves of one replica a
group, waves by how fast the groups were (as the engine does), and each
replica to the next free group, without waves. A time is that of a round,
in replicas of the fastest group; the percentage is what is lost of what the
groups could have done in it.

Then a search of the demo's tiny detector on two ranks, the second of which
takes three times as long for each batch: both sleep, so that the figures
hardly depend on the machine.

python tools/benchmarks/speed/uneven_ranks.py
"""

from __future__ import annotations

import argparse
import heapq
import math
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from measure import parser, show_ratio, show_surroundings
from mmengine.runner import Runner
from rank_speed import explore, work
from tiny_problem import TinyProblem

from mmada.commands.command_line import ends_with_reader
from mmada.engine.distributed import Paces, share_out, shares
from mmada.models import inner_model

CASES = [
    (8, (1, 1, 1)),
    (8, (1, 1, 1, 1, 1)),
    (8, (1, 3)),
    (8, (1, 1, 1, 3)),
    (8, (1, 1, 1, 1, 1, 1, 1, 3)),
    (10, (1, 1, 1, 3)),
]
ROUNDS = 12
SLOWER = 3


def in_waves(count: int, factors: Sequence[int], by_pace: bool) -> float:
    """Return the mean time of a round in waves.

    Args:
        count: Replicas of a round.
        factors: By group, how slow it is.
        by_pace: Whether the shares follow what the groups took.
    """
    paces, total = Paces(len(factors)), 0.0
    for _ in range(ROUNDS):
        left = list(range(count))
        while left:
            known = paces.relative() if by_pace else [1] * len(factors)
            wave = share_out(left, known)
            pairs = list(zip(wave, factors, strict=True))
            total += max(len(share) * factor for share, factor in pairs)
            seconds = enumerate(60.0 * f for f in factors)  # of a replica
            paces.note({g: s for g, s in seconds if wave[g]})
            left = [k for k in left if not any(k in s for s in wave)]
    return total / ROUNDS


def to_the_next_free(count: int, factors: Sequence[int]) -> float:
    """Return the time of a round without waves."""
    free = [(0.0, factor) for factor in factors]
    heapq.heapify(free)
    ends = [0.0]
    for _ in range(count):
        begin, factor = heapq.heappop(free)
        ends.append(begin + factor)
        heapq.heappush(free, (ends[-1], factor))
    return max(ends)


def simulate() -> None:
    """Print the figures of each case."""
    print(
        'replicas  groups          one each        by pace         next free'
    )
    for count, factors in CASES:
        times = (
            in_waves(count, factors, by_pace=False),
            in_waves(count, factors, by_pace=True),
            to_the_next_free(count, factors),
        )
        cells = (f'{t:5.2f} {_lost(t, count, factors):4.0%}' for t in times)
        slow = sum(factor > 1 for factor in factors)
        groups = f'{len(factors)}, {slow} slow'
        print(f'{count:8}  {groups:12}', *(f'{c:>14}' for c in cells))


def _lost(seconds: float, count: int, factors: Sequence[int]) -> float:
    """Return the share of what all groups could have done that is lost."""
    return 1 - count / (seconds * sum(1 / factor for factor in factors))


def slow_down(runner: Runner, seconds: float) -> None:
    """Let each pass of the model take longer, on rank 1 most."""
    pause = seconds * (SLOWER if os.environ['RANK'] == '1' else 1)
    inner_model(runner.model).register_forward_pre_hook(
        lambda *_: time.sleep(pause)
    )


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    options = parser(__doc__, repeats=1)
    options.add_argument(
        '--rounds', type=int, default=2, help='counted; one more goes before'
    )
    options.add_argument('--replicas', type=int, default=4)
    options.add_argument('--iters', type=int, default=8)
    options.add_argument('--reward', type=int, default=4)
    options.add_argument(
        '--seconds', type=float, default=1.0, help='that a pass is slowed'
    )
    options.add_argument(
        '--least-lead',
        type=float,
        default=shares.LEAST_LEAD,
        help=argparse.SUPPRESS,
    )
    options.add_argument('--worker', type=Path, help=argparse.SUPPRESS)
    args = options.parse_args(argv)
    if args.quick:
        args.repeats = args.rounds = args.iters = 1
        args.reward = 2
        args.seconds = 0.0
    return args


@ends_with_reader()
def main(argv: list[str] | None = None) -> None:
    """Print the simulation, and times of the search."""
    args = parse_args(argv)
    if args.worker:
        shares.LEAST_LEAD = args.least_lead
        work(args.worker, args, lambda r: slow_down(r, args.seconds))
        return
    simulate()
    show_surroundings(
        f'{args.rounds} rounds of {args.replicas} replicas on two ranks, '
        f'{args.iters} iterations each, a pass slowed by {args.seconds:g} s '
        f'and {SLOWER * args.seconds:g} s'
    )
    options = [
        f'--{name}={getattr(args, name)}'
        for name in ('rounds', 'replicas', 'iters', 'reward', 'seconds')
    ]
    leads = {'one each': math.inf, 'by pace': args.least_lead}
    found: dict[str, list[float]] = {name: [] for name in leads}
    with tempfile.TemporaryDirectory() as folder:
        TinyProblem(Path(folder), args.iters, args.reward)  # the scenes
        for _ in range(args.repeats):
            for name, times in found.items():
                own = [*options, f'--least-lead={leads[name]}']
                times.append(explore(Path(folder), 2, own, __file__)[0])
                print(f'{name}: {times[-1]:.1f} s', flush=True)
    show_ratio(
        'one replica each / by pace', found['one each'], found['by pace']
    )


if __name__ == '__main__':
    main()
