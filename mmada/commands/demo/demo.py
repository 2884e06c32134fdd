"""Explores loss weights, trains with the policy and shows what it gained.

A second call reuses what is complete and resumes what is not.
"""

from __future__ import annotations

import argparse
import math
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from mmada.commands.demo.results import Model, show_results, write_page
from mmada.datasets import SceneOptions, make_scenes
from mmada.utils.files import replace

PACKAGE = Path(__file__).resolve().parents[2]
# A wheel has the configs with it, as `mim` expects them.
ROOT = PACKAGE / '.mim' if (PACKAGE / '.mim').is_dir() else PACKAGE.parent
BATCH_SIZE = 4  # of the configs
RECORD = re.compile(r'^.* - mmengine - [A-Z]+ - ')
NEWS = re.compile(
    r'(Exploration|pseudo epoch|[Rr]ound \d|replica |All replicas'
    r'|\s+\*?\d+ +-?\d)'  # rows of a round's table
)
BASELINE, OURS = 'ones', 'SlopeSearch'
WORKERS = 2
STEM = 'cascade_panoptic_tiny_scenes'


@dataclass(frozen=True)
class Size:
    """How large the demo is.

    Attributes:
        train: Training images.
        reward: Images that feed the controller.
        test: Images of the final figures.
        pretraining: Epochs that make the state all trainings start from.
        epochs: Epochs E of each training.
        rounds: Rounds T of the explorations, in as many iterations.
        replicas: Replicas m of `AdaSegment`.
        points: Replicas of `SlopeSearch`: centre, control, and one a factor.
    """

    train: int = 160
    reward: int = 64
    test: int = 120
    pretraining: int = 5
    epochs: int = 5
    rounds: int = 5
    replicas: int = 4
    points: int = 6

    @property
    def iters_per_round(self) -> int:
        """Iterations q, so that T rounds are as long as E epochs."""
        return self.epochs * -(-self.train // BATCH_SIZE) // self.rounds


SIZES = dict(full=Size(), quick=Size(16, 8, 8, 2, 2, 2, 2, 3))


@dataclass(frozen=True)
class Job:
    """One training of the demo.

    Attributes:
        name: Name of its directory.
        config: Config file.
        title: What the table calls it.
        cost: In units of one training: iterations that are really run.
        options: Changes of the config that the size asks for.
    """

    name: str
    config: str
    title: str = ''
    cost: float = 1.0
    options: dict[str, object] = field(default_factory=dict)


class Demo:
    """Runs trainings in a directory, each at most once.

    Args:
        work_dir: Where everything goes.
        size: How large it is.
        seed: Seed of the trainings and of the search.
    """

    def __init__(self, work_dir: Path, size: Size, seed: int) -> None:
        self.work_dir = work_dir.resolve()
        self.size = size
        self.seed = seed
        self._running: dict[str, float] = {}  # when each was begun
        self._left = self.jobs()

    def run(self) -> None:
        """Do all steps and show the table."""
        self.make_scenes()
        self.pretrain()
        jobs = self.jobs()
        longest_first = sorted(jobs, key=lambda job: job.cost, reverse=True)
        with ThreadPoolExecutor(max_workers=WORKERS) as pool:
            list(pool.map(self.train, longest_first))
        os.environ.update(self.environment('scenes'))
        last = f'epoch_{self.size.epochs}.pth'
        models = {
            job.title: Model(
                job.title,
                ROOT / job.config,
                self.work_dir / job.name / last,
                job.cost,
            )
            for job in jobs
        }
        pair = models[BASELINE], models[OURS]
        show_results(self.work_dir, list(models.values()), *pair)
        write_page(*pair)

    def jobs(self) -> list[Job]:
        """Return the trainings, as the table has them."""
        size = self.size
        plain: dict[str, object] = {
            'train_cfg.max_epochs': size.epochs,
            'train_cfg.val_interval': size.epochs + 1,
        }
        search: dict[str, object] = {
            'train_cfg.training.max_epochs': size.epochs,
            'train_cfg.training.val_interval': size.epochs + 1,
            'train_cfg.exploration.num_rounds': size.rounds,
            'train_cfg.exploration.iters_per_round': size.iters_per_round,
        }
        replicas = 'train_cfg.exploration.controller.num_replicas'
        stem, epoch = f'configs/baselines/{STEM}', 1 / size.epochs
        after = 1 + 1 / size.rounds  # the pseudo epoch, and the training
        return [
            Job('misscaled', f'{stem}_misscaled.py', BASELINE, 1, plain),
            Job(
                'inverse_loss',
                f'{stem}_inverse_loss.py',
                'inverse-loss weighting',
                1 + epoch,
                plain,
            ),
            Job(
                'uncertainty',
                f'{stem}_uncertainty.py',
                'uncertainty weighting',
                1,
                plain,
            ),
            Job(
                'ada_segment',
                f'configs/ada/{STEM}.py',
                'Ada-Segment',
                size.replicas + after,
                {**search, replicas: size.replicas},
            ),
            Job(
                'slope_search',
                f'configs/ada/{STEM}_slope.py',
                OURS,
                size.points + after,
                {**search, replicas: size.points},
            ),
            Job(
                'right_scale',
                f'{stem}_ones.py',
                'ones, losses on their right scale',
                1,
                plain,
            ),
        ]

    def make_scenes(self) -> None:
        """Draw the images; those of the pretraining are others."""
        size = self.size
        num = dict(train=size.train, reward=size.reward, test=size.test)
        few = dict(num, reward=1, test=1)
        for name, count, seed in (('scenes', num, 0), ('others', few, 1)):
            options = SceneOptions((64, 96), count, seed, min_radius=6.0)
            make_scenes(self.work_dir / name, options)
        print(f'Scenes of 64x96 pixels: {num}', flush=True)

    def pretrain(self) -> None:
        """Make the state that all trainings start from."""
        target = self.work_dir / 'pretrained.pth'
        if target.exists():
            return
        epochs = self.size.pretraining
        options: dict[str, object] = {
            'train_cfg.max_epochs': epochs,
            'train_cfg.val_interval': epochs + 1,
        }
        config = f'configs/baselines/{STEM}_pretrain.py'
        cost = epochs / self.size.epochs
        self.launch(
            Job('pretraining', config, cost=cost, options=options), 'others'
        )
        last = self.work_dir / 'pretraining' / f'epoch_{epochs}.pth'
        replace(target, last.read_bytes(), durable=False)

    def train(self, job: Job) -> None:
        """Do a training, or what is left of it."""
        done = self.work_dir / job.name / 'done'
        if done.exists():
            self._left.remove(job)
        else:
            self.launch(job, 'scenes')
            done.touch()

    def launch(self, job: Job, scenes: str) -> None:
        """Run `mmada train`; its log goes to a file, its news here."""
        began = self._running[job.name] = time.monotonic()
        folder = self.work_dir / job.name
        folder.mkdir(exist_ok=True)
        command = self._command(job, folder)
        print(f'[{job.name}] {job.config}', flush=True)
        with (
            subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.environment(scenes),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            ) as process,
            (folder / 'output.log').open('a') as log,
        ):
            assert process.stdout is not None
            show_news(job.name, process.stdout, log)
        if process.returncode:
            raise SystemExit(
                f'{job.name} failed with exit code {process.returncode}; see '
                f'{folder / "output.log"}. The same command goes on from here.'
            )
        if job in self._left:
            self._left.remove(job)
        self._show_time(job, began)

    def _command(self, job: Job, folder: Path) -> list[str]:
        options = {**job.options, 'randomness.seed': self.seed}
        command = [sys.executable, '-m', 'mmada', 'train', job.config]
        command += ['--work-dir', str(folder), '--resume', '--cfg-options']
        return command + [f'{key}={value}' for key, value in options.items()]

    def _show_time(self, job: Job, began: float) -> None:
        """Print how long a training took, and what is left of all."""
        now = time.monotonic()
        seconds = now - began
        left = seconds_left(
            [
                (other.cost, self._running.get(other.name))
                for other in self._left
            ],
            seconds / job.cost,
            now,
        )
        print(
            f'[{job.name}] done in {seconds:.0f} s; about '
            f'{math.ceil(left / 60)} min left in all',
            flush=True,
        )

    def environment(self, scenes: str) -> dict[str, str]:
        """Return the environment of a training; its configs read it."""
        return dict(
            os.environ,
            MMADA_SCENES=f'{self.work_dir / scenes}/',
            MMADA_PRETRAINED=str(self.work_dir / 'pretrained.pth'),
            # Figures are promised for equal thread counts.
            OMP_NUM_THREADS='1',
            PYTHONUNBUFFERED='1',
        )


def seconds_left(
    jobs: Sequence[tuple[float, float | None]], pace: float, now: float
) -> float:
    """Estimate how long some jobs take on `WORKERS` processes.

    Args:
        jobs: Of each its cost in trainings, and when it was begun; None for
            one that is waiting.
        pace: Seconds of a training.
        now: The time.
    """
    work = [
        max(0.0, cost * pace - (now - began if began is not None else 0.0))
        for cost, began in jobs
    ]
    return max([sum(work) / WORKERS, *work])


def show_news(name: str, lines: Iterable[str], log: TextIO) -> None:
    """Write all lines to the log and those on an exploration to stdout."""
    for line in lines:
        log.write(line)
        text = RECORD.sub('', line)
        if NEWS.match(text):
            print(f'[{name}] {text}', end='', flush=True)


def run(args: argparse.Namespace) -> int:
    """Run the demo."""
    began = time.monotonic()
    Demo(args.work_dir, SIZES[args.size], args.seed).run()
    print(f'{time.monotonic() - began:.0f} s; all is in {args.work_dir}')
    return 0
