"""What weights from gradients cost, in time and in memory.

Time: iterations of the demo's tiny panoptic detector with four objectives,
against weights of 1 that nothing computes. All trainings take turns iteration
by iteration, on the same batches. Loading of data is not counted.

Memory: a ResNet-50 with two objectives, each training in a process of its
own; its peak is the largest resident set, on CUDA the largest amount that
torch allocated.

OMP_NUM_THREADS=1 python tools/benchmarks/speed/gradient_weighting_cost.py
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from measure import parser, show_ratio, show_surroundings
from memory import make_config, most, now
from mmengine.config import Config
from mmengine.runner import Runner
from tiny_problem import ONES, TinyProblem
from weighting_overhead import Side
from wide_problem import DEPTH

from mmada.commands.command_line import ends_with_reader

NECK = dict(parameters=r'neck\.fpn_convs')
# Of the first iteration, so that it weighs from the second one on.
GRAD_NORM: dict[str, Any] = dict(type='GradNorm', initial_losses='iteration')


def aggregator(name: str, **options: Any) -> dict[str, Any]:
    """Return the config of an aggregator's weighting."""
    return dict(type='AggregatorWeighting', aggregator=name, options=options)


METHODS: dict[str, dict[str, Any]] = {
    'GradNorm, last layers of the neck': dict(weighting=GRAD_NORM, **NECK),
    'GradNorm, whole trunk': dict(weighting=GRAD_NORM),
    'UPGrad': dict(weighting=aggregator('UPGrad')),
    'UPGrad, one in ten iterations': dict(
        weighting=aggregator('UPGrad'), every=10
    ),
    'PCGrad': dict(weighting=aggregator('PCGrad')),
    'CAGrad': dict(weighting=aggregator('CAGrad', c=0.5)),
}


def weighted(
    problem: TinyProblem, name: str, hook: dict[str, Any] | None
) -> Config:
    """Return the config of one epoch, with this hook if there is one."""
    config = problem.weighted(name)
    if hook is not None:
        config.custom_hooks = [dict(type='GradientWeightingHook', **hook)]
    return config


def time_methods(problem: TinyProblem, names: list[str], warm_up: int) -> None:
    """Run an epoch of these methods in turns, and print ratios."""
    sides = {'ones': Side(weighted(problem, 'ones', None))} | {
        name: Side(weighted(problem, f'side{i}', METHODS[name]))
        for i, name in enumerate(names)
    }
    players = list(sides.values())
    for i, batch in enumerate(players[0].runner.train_dataloader):
        first = i % len(players)
        for side in players[first:] + players[:first]:
            side.step(i, batch)
    for side in players:
        del side.seconds[:warm_up]
    ones = sides.pop('ones').seconds
    milliseconds = 1000 * sum(ones) / len(ones)
    print(f'{milliseconds:.1f} ms an iteration with {len(ONES)} weights of 1')
    for name, side in sides.items():
        mean = sum(side.seconds) / sum(ones)
        show_ratio(f'{name} (of the sums: {mean:.3f})', side.seconds, ones)


WIDE: dict[str, dict[str, Any]] = {
    'ones': dict(
        type='LossWeightingHook',
        weighting=dict(type='StaticWeighting', weights=(1.0, 1.0)),
    ),
    'whole trunk': dict(type='GradientWeightingHook', weighting=GRAD_NORM),
    'last block': dict(
        type='GradientWeightingHook',
        weighting=GRAD_NORM,
        parameters=r'trunk\.layer4\.1',
    ),
}


def train_wide(name: str, depth: int) -> dict[str, int]:
    """Train two epochs and return the peak and what was there before."""
    before = now()
    with tempfile.TemporaryDirectory() as folder:
        config = make_config(folder, 2, depth)
        config.train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=2)
        config.custom_hooks = [WIDE[name]]
        config.default_hooks = dict(checkpoint=None)
        Runner.from_cfg(config).train()
    return dict(before=before, peak=most())


def measure_wide(name: str, depth: int) -> int:
    """Train in a process of its own; return the bytes it took."""
    output = subprocess.run(
        [sys.executable, __file__, '--worker', name, str(depth)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    ).stdout
    found = json.loads(output.splitlines()[-1])
    return found['peak'] - found['before']


def compare_memory(quick: bool) -> None:
    """Print the peaks, less what was there before."""
    names = list(WIDE)[:2] if quick else list(WIDE)
    depth, repeats = (18, 1) if quick else (DEPTH, 3)
    found: dict[str, list[int]] = {name: [] for name in names}
    for _ in range(repeats):
        for name, peaks in found.items():
            peaks.append(measure_wide(name, depth))
    ones = found.pop('ones')
    print(f'memory of a training: {sum(ones) / len(ones) / 1e6:.0f} MB')
    for name, peaks in found.items():
        more = (sum(peaks) - sum(ones)) / len(ones) / 1e6
        show_ratio(f'memory, GradNorm, {name} ({more:+.0f} MB)', peaks, ones)


@ends_with_reader()
def main(argv: list[str] | None = None) -> None:
    """Print the ratios."""
    options = parser(__doc__, repeats=100)
    options.add_argument('--worker', nargs=2, help=argparse.SUPPRESS)
    args = options.parse_args(argv)
    if args.worker:
        print(json.dumps(train_wide(args.worker[0], int(args.worker[1]))))
        return
    warm_up, repeats = (1, 2) if args.quick else (10, args.repeats)
    show_surroundings(
        'An iteration of 4 images and 4 objectives, and the memory of a '
        'ResNet with 2, in units of one with weights of 1'
    )
    names = list(METHODS)[:2] if args.quick else list(METHODS)
    with tempfile.TemporaryDirectory() as folder:
        problem = TinyProblem(Path(folder), warm_up + repeats, reward=1)
        time_methods(problem, names, warm_up)
    compare_memory(args.quick)


if __name__ == '__main__':
    main()
