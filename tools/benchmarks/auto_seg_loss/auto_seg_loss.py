"""Which loss wins which metric: searched ones against those people use.

Searches a loss for each of six metrics on generated scenes, trains a small
network, whose backbone is pretrained on others, with each of them, with the
same losses unsearched (identity curves), and with cross entropy, Dice and
Lovasz, and tests all on held-out images.
Every line of `results.jsonl` is one job; a second call does what is missing.

python tools/benchmarks/auto_seg_loss/auto_seg_loss.py work_dirs/asl
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from asl_jobs import (
    METRICS,
    PRETRAIN,
    RIVALS,
    SLOW,
    Job,
    Size,
    curve_of,
    read_results,
    run_jobs,
    search_job,
    surrogate,
)
from asl_tables import write_tables

from mmada.commands.command_line import ends_with_reader
from mmada.datasets import SceneOptions, make_scenes

FULL = Size(
    train=512,
    reward=96,
    test=256,
    pretrain_iters=800,
    iters=100,
    rounds=8,
    replicas=8,
    search_iters=80,
)
QUICK = Size(
    train=128,
    reward=32,
    test=64,
    pretrain_iters=200,
    iters=100,
    rounds=3,
    replicas=4,
    search_iters=40,
)
QUICK_METRICS = ('mIoU', 'BF1')
# Name: seed and radius of the smallest things.
SCENES = {
    'scenes': (11, 6.0),
    'other scenes': (12, 4.0),
    'far scenes': (13, 6.0),
}
TRANSFERRED = ('mIoU', 'BF1')


class Benchmark:
    """The jobs of one directory.

    Args:
        work_dir: Where everything goes.
        size: How large it is.
        metrics: What is searched for.
        seeds: Of the trainings; the first is that of the searches.
    """

    def __init__(
        self,
        work_dir: Path,
        size: Size,
        metrics: Sequence[str],
        seeds: Sequence[int],
    ) -> None:
        self.work_dir = work_dir.resolve()
        self.size = size
        self.metrics = metrics
        self.seeds = seeds

    def prepare(self) -> None:
        """Draw the scene sets."""
        size = self.size
        num = dict(train=size.train, reward=size.reward, test=size.test)
        for name, (seed, radius) in SCENES.items():
            options = SceneOptions((64, 96), num, seed, min_radius=radius)
            make_scenes(self.work_dir / name, options)

    def searches(self) -> list[Job]:
        """Return a search for each metric, and those in another family."""
        return [
            search_job(metric, self.seeds[0], family)
            for metric in self.metrics
            for family in self._families(metric)
        ]

    def _families(self, metric: str) -> list[str]:
        other = ['mIoU'] if metric in SLOW else []
        return [metric, *other]

    def trainings(self) -> list[Job]:
        """Return all trainings, with the searched losses and the rivals."""
        losses: dict[str, list[dict[str, Any]]] = {
            **{name: [config] for name, config in RIVALS.items()},
            **{f'unsearched {m}': [surrogate(m)] for m in self.metrics},
            **{
                _searched_name(m, family): [self._searched(m, family)]
                for m in self.metrics
                for family in self._families(m)
            },
        }
        if {'mIoU', *TRANSFERRED} <= set(self.metrics):
            losses['searched mIoU + BF1, retrained'] = [
                self._searched(m, m) for m in ('mIoU', 'BF1')
            ]
        return [
            Job(name, configs, seed)
            for seed in self.seeds
            for name, configs in losses.items()
        ] + self._transfers(losses)

    def _transfers(self, losses: dict[str, list[dict[str, Any]]]) -> list[Job]:
        """Return trainings on other scenes and with another head."""
        found = ['cross entropy'] + [
            name
            for metric in TRANSFERRED
            if metric in self.metrics
            for name in (
                f'unsearched {metric}',
                _searched_name(metric, metric),
            )
        ]
        return [
            Job(name, losses[name], seed, scenes, head)
            for seed in self.seeds
            for name in found
            for scenes, head in (('other scenes', 'fcn'), ('scenes', 'psp'))
        ]

    def _searched(self, metric: str, family: str) -> dict[str, Any]:
        theta = curve_of(self.work_dir, metric, self.seeds[0], family)
        return surrogate(family, theta)


def _searched_name(metric: str, family: str) -> str:
    """Name a loss that was searched, with its best actions trained again."""
    return (
        f'searched {metric}{f" in {family}" * (family != metric)}, retrained'
    )


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('work_dir', type=Path)
    parser.add_argument('--seeds', type=int, nargs='+', default=[0, 1, 2])
    parser.add_argument(
        '--metrics', nargs='+', choices=METRICS, help='default: all'
    )
    parser.add_argument('--quick', action='store_true', help='a small part')
    parser.add_argument(
        '--iters', type=int, help='of a training; takes a work_dir of its own'
    )
    parser.add_argument('--processes', type=int, default=2)
    return parser.parse_args()


@ends_with_reader()
def main() -> None:
    args = parse_args()
    default = QUICK_METRICS if args.quick else METRICS
    size = QUICK if args.quick else FULL
    benchmark = Benchmark(
        args.work_dir,
        size._replace(iters=args.iters or size.iters),
        args.metrics or default,
        args.seeds,
    )
    benchmark.prepare()
    for jobs in ([PRETRAIN], benchmark.searches(), benchmark.trainings()):
        run_jobs(jobs, benchmark.work_dir, benchmark.size, args.processes)
    write_tables(
        benchmark.work_dir,
        benchmark.metrics,
        benchmark.seeds[0],
        read_results(benchmark.work_dir),
    )


if __name__ == '__main__':
    main()
