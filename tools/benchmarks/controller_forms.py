"""Compares forms of the controller with rivals and controls over seeds.

The problem is the demo's, on scenes of another seed, so that the demo's test
images play no part in a choice. Each line of the result file is one training
(or one search with the training that follows it); a second call does what is
missing.

python tools/benchmarks/controller_forms.py work_dirs/forms --seeds 0 1 2
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

TOOLS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOOLS))

from demo import Demo, Job, Size  # noqa: E402
from demo_report import Model, evaluate, load  # noqa: E402

from mmada.datasets import SceneOptions, make_scenes  # noqa: E402

CONTROLLER = 'train_cfg.exploration.controller'
LR = 'optim_wrapper.optimizer.lr'
TRUNK = [
    f'optim_wrapper.paramwise_cfg.custom_keys.{part}.lr_mult'
    for part in ('backbone', 'neck')
]
OBJECTIVES, TEN = 'model.objectives', 'cascade_panoptic'
SCENE_SEED = 5

# Variant: job of the demo that it changes, and the changes.
Variant = tuple[str, dict[str, Any]]
VARIANTS: dict[str, Variant] = {
    'ones': ('misscaled', {}),
    'ones, right scale': ('right_scale', {}),
    'inverse-loss': ('inverse_loss', {}),
    # Is the ceiling tuned? Learning rate and trunk multiplier around it.
    'right scale, lr 0.0015': ('right_scale', {LR: 0.0015}),
    'right scale, lr 0.006': ('right_scale', {LR: 0.006}),
    'right scale, trunk x0.4': ('right_scale', dict.fromkeys(TRUNK, 0.4)),
    'right scale, trunk x2.5': ('right_scale', dict.fromkeys(TRUNK, 2.5)),
    'paper': ('ada_segment', {f'{CONTROLLER}.preset': 'paper'}),
    'stable': ('ada_segment', {}),
    'no learning': ('ada_segment', {f'{CONTROLLER}.lr': 0.0}),
    'stable, narrow': (
        'ada_segment',
        {f'{CONTROLLER}.sigma': 0.4, f'{CONTROLLER}.clip': 0.2},
    ),
    'stable, ten objectives': ('ada_segment', {OBJECTIVES: TEN}),
    'inverse-loss, ten objectives': ('inverse_loss', {OBJECTIVES: TEN}),
}


class Benchmark:
    """Runs variants in the directories `<variant>_<seed>`.

    Args:
        work_dir: Where everything goes; `results.jsonl` among it.
        size: How large the problem is.
    """

    def __init__(self, work_dir: Path, size: Size) -> None:
        self.work_dir = work_dir.resolve()
        self.size = size
        self.results = self.work_dir / 'results.jsonl'

    def prepare(self) -> None:
        """Draws the scenes and makes the pretrained state."""
        num = dict(
            train=self.size.train,
            reward=self.size.reward,
            test=self.size.test,
        )
        options = SceneOptions((64, 96), num, SCENE_SEED, min_radius=6.0)
        make_scenes(self.work_dir / 'scenes', options)
        others = SceneOptions(
            (64, 96), dict(num, reward=1, test=1), 1, min_radius=6.0
        )
        make_scenes(self.work_dir / 'others', others)
        Demo(self.work_dir, self.size, 0).pretrain()

    def done(self) -> set[tuple[str, int]]:
        """Returns the variants and seeds that have a result."""
        return {(r['variant'], r['seed']) for r in self.read()}

    def read(self) -> list[dict[str, Any]]:
        """Returns all results."""
        if not self.results.exists():
            return []
        return [json.loads(row) for row in self.results.open()]

    def run(self, variant: str, seed: int) -> None:
        """Trains and tests one variant with one seed."""
        demo = Demo(self.work_dir, self.size, seed)
        base, changes = VARIANTS[variant]
        job = next(j for j in demo.jobs() if j.name == base)
        name = f'{variant.replace(", ", "_").replace(" ", "_")}_{seed}'
        demo.launch(
            Job(name, job.config, {**job.options, **changes}), 'scenes'
        )
        # A process of its own: two may test at once.
        command = [sys.executable, __file__, '--test', job.config]
        output = subprocess.run(
            [*command, str(self.work_dir / name)],
            cwd=TOOLS.parent,
            env=demo.environment('scenes'),
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        record = dict(
            variant=variant, seed=seed, **json.loads(output.splitlines()[-1])
        )
        with self.results.open('a') as file:
            file.write(json.dumps(record) + '\n')
        print(record, flush=True)


def test(config: str, folder: Path) -> dict[str, Any]:
    """Returns test metrics of a directory's models and its dead rounds."""
    last = max(
        folder.glob('epoch_*.pth'), key=lambda p: int(p.stem.split('_')[1])
    )
    found: dict[str, Any] = {}
    for key, path in (('final', last), ('explored', folder / 'explored.pth')):
        if path.exists():
            network, settings = load(Model(key, Path(config), path, 0))
            found[key] = evaluate(network, settings)
    history = folder / 'exploration/history.jsonl'
    if history.exists():
        rounds = [json.loads(row) for row in history.open()]
        found['dead_rounds'] = sum(not r['updated'] for r in rounds)
    return found


def summary(results: list[dict[str, Any]]) -> str:
    """Returns mean and standard deviation of PQ by variant."""
    lines = [f'{"variant":32} {"PQ of":9} runs  mean +- std']
    for variant in dict.fromkeys(r['variant'] for r in results):
        for key in ('final', 'explored'):
            values = [
                r[key]['PQ']
                for r in results
                if r['variant'] == variant and key in r
            ]
            if values:
                spread = statistics.stdev(values) if values[1:] else 0
                lines.append(
                    f'{variant:32} {key:9} {len(values):4}  '
                    f'{statistics.mean(values):.2f} +- {spread:.2f}'
                )
    return '\n'.join(lines)


def parse_args() -> argparse.Namespace:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('work_dir', type=Path)
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument('--variants', nargs='+', default=list(VARIANTS))
    parser.add_argument('--jobs', type=int, default=os.cpu_count())
    parser.add_argument('--test', metavar='CONFIG', help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Runs what is missing and prints the summary."""
    args = parse_args()
    if args.test:
        print(json.dumps(test(args.test, args.work_dir)))
        return
    benchmark = Benchmark(args.work_dir, Size())
    benchmark.prepare()
    done = benchmark.done()
    todo = [
        (variant, seed)
        for seed in args.seeds
        for variant in args.variants
        if (variant, seed) not in done
    ]
    with ThreadPoolExecutor(max_workers=args.jobs) as pool:
        list(pool.map(lambda run: benchmark.run(*run), todo))
    print(summary(benchmark.read()))


if __name__ == '__main__':
    main()
