"""What the Auto Seg-Loss benchmark runs: searches and trainings."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from mmengine.logging import MessageHub, MMLogger
from mmengine.runner import Runner
from mmengine.visualization import Visualizer

import mmada  # noqa: F401  registers everything
from mmada.utils.run_files import CURVE_FILE

CONFIGS = Path(__file__).parents[3] / 'configs' / 'asl'
SCENES_CONFIG = CONFIGS / 'scenes' / 'tiny.py'
METRICS = ('mIoU', 'FWIoU', 'mAcc', 'gAcc', 'BIoU', 'BF1')
TOLERANT = ('BIoU', 'BF1')
# Their own losses weigh classes by pixels and learn small ones late.
SLOW = ('FWIoU', 'gAcc')
TOLERANCE = 2  # of the evaluation too: images are small


CROSS_ENTROPY: dict[str, Any] = dict(
    type='CrossEntropyLoss', avg_non_ignore=True
)
RIVALS: dict[str, dict[str, Any]] = {
    'cross entropy': CROSS_ENTROPY,
    'Dice': dict(type='DiceLoss'),
    'Lovasz': dict(type='LovaszLoss', reduction='none'),
}


class Size(NamedTuple):
    """How large the benchmark is.

    Attributes:
        train: Training images.
        reward: Images that feed the rewards, held out of training.
        test: Test images.
        pretrain_iters: Iterations of the training that all start from.
        iters: Iterations of a training.
        rounds: Rounds of a search.
        replicas: Replicas of a round.
        search_iters: Iterations of a replica.
    """

    train: int
    reward: int
    test: int
    pretrain_iters: int
    iters: int
    rounds: int
    replicas: int
    search_iters: int


class Job(NamedTuple):
    """A training, or a search if `rounds` is not 0.

    Attributes:
        name: What stands in the tables.
        losses: Configs of the losses.
        seed: Of everything.
        scenes: Name of the set of images.
        head: Name of the head.
        search: Metric that is searched for, else ''.
        start: Key of the job whose backbone it starts from; '' for the
            backbone of the config.
        config: Config file of a training on cross entropy.
    """

    name: str
    losses: list[dict[str, Any]]
    seed: int
    scenes: str = 'scenes'
    head: str = 'fcn'
    search: str = ''
    start: str = 'pretrain-far scenes-fcn-0'
    config: Path = SCENES_CONFIG

    @property
    def key(self) -> str:
        """A name that is unique in the benchmark."""
        return '-'.join((self.name, self.scenes, self.head, str(self.seed)))


HEADS: dict[str, dict[str, Any]] = {
    'fcn': {},
    'fpn': {},
    'psp': dict(
        type='PSPHead',
        pool_scales=(1, 2, 4),
        num_convs=None,
        concat_input=None,
        norm_cfg=dict(type='BN', requires_grad=True),
    ),
}


RESULTS = 'results.jsonl'
STATE = 'state.pth'
PRETRAIN = Job('pretrain', [CROSS_ENTROPY], 0, 'far scenes', start='')


def surrogate(metric: str, theta: str | None = None) -> dict[str, Any]:
    """Return the config of a surrogate loss.

    Args:
        metric: What it stands for.
        theta: Its curves; None for the identity.
    """
    # No class of the scenes is a background whose edges do not count.
    edges = dict(tolerance=TOLERANCE, drop_bg=False)
    options: dict[str, Any] = edges if metric in TOLERANT else {}
    return dict(type='AutoSegLoss', metric=metric, theta=theta, **options)


def curve_of(work_dir: Path, metric: str, seed: int, family: str) -> str:
    """Return where a search writes its curve; see :func:`search_job`."""
    return str(work_dir / search_job(metric, seed, family).key / CURVE_FILE)


def search_job(metric: str, seed: int, family: str) -> Job:
    """Return the search for a metric.

    Args:
        metric: What is scored.
        seed: Of the search.
        family: Metric whose surrogate is searched.
    """
    name = f'search_{metric}' + f'_in_{family}' * (family != metric)
    # The best are trained again: another search than one of that name alone.
    name += '_retrained'
    return Job(name, [surrogate(family)], seed, search=metric)


def read_results(work_dir: Path) -> list[dict[str, Any]]:
    """Return the records of all jobs that are done."""
    path = work_dir / RESULTS
    if not path.exists():
        return []
    return [json.loads(row) for row in path.open()]


def run_jobs(
    jobs: Sequence[Job], work_dir: Path, size: Size, processes: int
) -> None:
    """Run the jobs that have no result yet.

    Args:
        jobs: None needs another one of them.
        work_dir: Directory of the benchmark.
        size: How large it is.
        processes: How many at once.
    """
    done = {record['key'] for record in read_results(work_dir)}
    left = [job for job in jobs if job.key not in done]
    context = multiprocessing.get_context('spawn')
    with ProcessPoolExecutor(processes, context) as pool:
        futures = [pool.submit(run, job, work_dir, size) for job in left]
        for future in as_completed(futures):
            record = future.result()
            with (work_dir / RESULTS).open('a') as file:
                file.write(json.dumps(record) + '\n')
            print(json.dumps(record), flush=True)


def run(job: Job, work_dir: Path, size: Size) -> dict[str, Any]:
    """Run a job in this process, or go on with it.

    Returns:
        Its record: name, seed and, of a training, its test metrics.
    """
    torch.set_num_threads(1)
    _forget_runners()
    began = time.process_time()
    runner = Runner.from_cfg(_config(job, work_dir, size))
    # Depthwise convolutions are faster in this layout on a CPU.
    runner.model.to(memory_format=torch.channels_last)
    runner.train()
    if job == PRETRAIN:
        runner.save_checkpoint(runner.work_dir, STATE)
    metrics = {} if job.search else runner.test()
    return dict(
        key=job.key,
        name=job.name,
        seed=job.seed,
        scenes=job.scenes,
        head=job.head,
        seconds=round(time.process_time() - began, 1),
        metrics={k.split('/')[-1]: float(v) for k, v in metrics.items()},
    )


def _config(job: Job, work_dir: Path, size: Size) -> Config:
    os.environ['MMADA_SCENES'] = f'{work_dir / job.scenes}/'
    cfg = Config.fromfile(job.config)
    head = cfg.model.decode_head
    for key, value in HEADS[job.head].items():
        head.pop(key, None) if value is None else head.update({key: value})
    head.loss_decode = [
        dict(loss, loss_name=f'loss_{i}') for i, loss in enumerate(job.losses)
    ]
    if job.start:
        cfg.model.backbone.init_cfg = dict(
            type='Pretrained',
            checkpoint=str(work_dir / job.start / STATE),
            prefix='backbone.',
        )
    cfg.work_dir = str(work_dir / job.key)
    cfg.experiment_name = job.key
    cfg.randomness = dict(seed=job.seed)
    cfg.log_level = 'WARNING'
    iters = size.pretrain_iters if job == PRETRAIN else size.iters
    cfg.train_cfg.update(max_iters=iters, val_interval=10**9)
    if job.search:
        cfg.resume = True
        cfg.train_cfg = _search(job, cfg, size)
    return cfg


def _search(job: Job, cfg: Config, size: Size) -> dict[str, Any]:
    return dict(
        type='ParallelExplorationLoop',
        num_rounds=size.rounds,
        iters_per_round=size.search_iters,
        target=dict(type='SurrogatePoints'),
        controller=dict(type='AutoSegLossSearch', num_replicas=size.replicas),
        reward_dataloader=cfg.reward_dataloader,
        reward_evaluator=cfg.reward_evaluator,
        reward_metric=f'semantic/{job.search}',
    )


def _forget_runners() -> None:
    """Clear what MMEngine shares between the runners of a process."""
    for manager in (MMLogger, MessageHub, Visualizer):
        manager._instance_dict.clear()
