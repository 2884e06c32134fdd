"""What each weighting costs in an iteration: time and memory against none.

The demo's tiny panoptic detector with the hook of every config of
`configs/baselines` that weighs the losses of a single run. `none` is the same
wrapped detector without a hook, twice, to show which differences mean
nothing. For the time all trainings take turns iteration by iteration, on the
same batches; pseudo epochs and loading of data are not counted. For the
memory each training runs in a process of its own; what counts is the most
that was in use (resident on the CPU, allocated by torch on CUDA) less what
was in use before the training, pseudo epochs included.

OMP_NUM_THREADS=1 python tools/benchmarks/speed/weighting_methods.py
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from measure import ROOT, parser, show_ratio, show_surroundings
from memory import most, now
from mmengine.config import Config
from mmengine.runner import Runner
from tiny_problem import TinyProblem
from weighting_overhead import Side

from mmada.commands.command_line import ends_with_reader

STEM = 'cascade_panoptic_tiny_scenes_'
NONE, AGAIN = 'none', 'none, a second time'


def find_hooks() -> dict[str, dict[str, Any]]:
    """Return the hooks of all weightings by the names of their configs."""
    found = {}
    for path in sorted((ROOT / 'configs/baselines').glob(f'{STEM}*.py')):
        hooks = Config.fromfile(path).custom_hooks
        kind = hooks[-1].type if hooks else ''
        # A policy's weights come from a search, which is not a single run.
        if kind.endswith('WeightingHook') and not kind.startswith('Policy'):
            found[path.stem.removeprefix(STEM)] = hooks[-1]
    return found


def make_config(
    problem: TinyProblem, name: str, hooks: dict[str, dict[str, Any]]
) -> Config:
    """Return the config of an epoch with a weighting, or with none."""
    config = problem.weighted(name)
    config.custom_hooks = [hooks[name]] if name in hooks else []
    return config


def measure_time(
    problem: TinyProblem, names: list[str], warm_up: int
) -> dict[str, list[float]]:
    """Return the seconds of each iteration after the first ones."""
    hooks = find_hooks()
    sides = {name: Side(make_config(problem, name, hooks)) for name in names}
    players = list(sides.values())
    for i, batch in enumerate(players[0].runner.train_dataloader):
        first = i % len(players)
        for side in players[first:] + players[:first]:
            side.step(i, batch)
    return {name: side.seconds[warm_up:] for name, side in sides.items()}


def train_alone(folder: str, name: str, iters: int) -> int:
    """Train in this process and return bytes, see the top."""
    problem = TinyProblem(Path(folder), iters, reward=1)
    runner = Runner.from_cfg(make_config(problem, name, find_hooks()))
    before = now()
    runner.train()
    return most() - before


def measure_memory(name: str, iters: int) -> int:
    """Return the bytes that a training takes in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        output = subprocess.run(
            [sys.executable, __file__, '--worker', folder, name, str(iters)],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        ).stdout
    return json.loads(output.splitlines()[-1])


@ends_with_reader()
def main(argv: list[str] | None = None) -> None:
    """Print the ratios."""
    options = parser(__doc__, repeats=100)
    options.add_argument(
        '--methods', nargs='*', help='names of configs; all by default'
    )
    options.add_argument('--worker', nargs=3, help=argparse.SUPPRESS)
    args = options.parse_args(argv)
    if args.worker:
        folder, name, iters = args.worker
        print(json.dumps(train_alone(folder, name, int(iters))))
        return
    names = [NONE, AGAIN, *(args.methods or find_hooks())]
    warm_up, repeats = (1, 2) if args.quick else (5, args.repeats)
    show_surroundings(
        'An iteration of 4 images, in units of one without a weighting'
    )
    with tempfile.TemporaryDirectory() as folder:
        problem = TinyProblem(Path(folder), warm_up + repeats, reward=1)
        seconds = measure_time(problem, names, warm_up)
    for name in names[1:]:
        show_ratio(f'time of {name}', seconds[name], seconds[NONE])
    # Some iterations are enough to reach the most.
    sizes = {name: measure_memory(name, warm_up + 2) for name in names}
    print(f'none takes {sizes[NONE] / 1e6:.0f} MB')
    for name in names[1:]:
        show_ratio(f'memory of {name}', [sizes[name]], [sizes[NONE]])


if __name__ == '__main__':
    main()
