"""Runs one job of the comparison in this process."""

from __future__ import annotations

import shutil
import time
import traceback
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cost import Counter
from jobs import (
    PRETRAIN,
    REPLAY,
    SEARCH,
    TRAIN,
    UNIT,
    Job,
    result_job,
    search_of,
)
from method import apply_method, apply_search
from methods import METHODS, SEARCHES
from mmengine.config import Config
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import METRICS
from mmengine.runner import Runner, TestLoop
from mmengine.visualization import Visualizer
from problems import REWARD_METRIC, base_config, state_file
from replays import replay
from results import COUNTS, MAPS, NOTED, REWARD_COUNTS, job_folder, log_file

import mmada  # noqa: F401  registers everything
from mmada.engine.reward import RewardEvaluator
from mmada.evaluation import PanopticQuality
from mmada.evaluation.class_counts import sum_counts
from mmada.evaluation.matching import ImageCounts
from mmada.utils.costs import Counts, Unit
from mmada.utils.run_files import EXPLORED_FILE, POLICY_FILE, WEIGHTS_FILE

SHOWN_EVERY = 40
TESTED = ('PQ', 'PQ_th', 'PQ_st', 'SQ', 'RQ')


@METRICS.register_module()
class ImagewisePanopticQuality(PanopticQuality):
    """Keeps the counts of each image and class, and a few predicted maps.

    Attributes:
        counts: Summed IoU, TP, FP and FN, shape (images, classes, 4), by
            image id and category id.
        maps: Predictions for every `SHOWN_EVERY`th image, by its id.
    """

    counts: np.ndarray

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.maps: dict[str, np.ndarray] = {}

    def process(self, data_batch: Any, data_samples: Sequence[dict]) -> None:
        """Count one batch as its parent; see there."""
        first = len(self.results)
        super().process(data_batch, data_samples)
        for index, sample in enumerate(data_samples, first):
            if index % SHOWN_EVERY == 0:
                segments = sample['pred_panoptic_seg']['sem_seg'][0]
                self.maps[str(sample['img_id'])] = segments.cpu().numpy()

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Average as its parent; see there."""
        records = sorted(ImageCounts(*r) for r in results)
        categories = sorted(self._truth.categories)
        self.counts = np.array(
            [
                list(sum_counts([record], categories).values())
                for record in records
            ]
        )
        return super().compute_metrics(results)


def run(job: Job, work_dir: Path) -> dict[str, Any]:
    """Run a job in this process, or go on with it.

    Returns:
        Its record; with the error's text if it failed.
    """
    record: dict[str, Any] = dict(
        key=job.key,
        kind=job.kind,
        problem=job.problem.name,
        name=job.name,
        seed=job.seed,
        error='',
    )
    log = log_file(work_dir, job.key)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open('a') as file, redirect_stdout(file), redirect_stderr(file):
        _forget_runners()
        try:
            return record | _RUN[job.kind](job, work_dir)
        except (Exception, SystemExit):  # the latter by SIGTERM
            return record | dict(error=traceback.format_exc())


def _forget_runners() -> None:
    """Clear what MMEngine shares between the runners of a process."""
    torch.set_num_threads(1)
    for manager in (MMLogger, MessageHub, Visualizer):
        manager._instance_dict.clear()
    MMLogger.get_instance('compare', log_level='WARNING')  # until the run's


def _pretrain(job: Job, work_dir: Path) -> dict[str, Any]:
    cfg = base_config(job.problem, work_dir, job.seed, pretraining=True)
    runner = _runner(cfg, job, work_dir)
    runner.train()
    target = state_file(job.problem, work_dir)
    runner.save_checkpoint(
        str(target.parent),
        target.name,
        save_optimizer=False,
        save_param_scheduler=False,
    )
    return {}


def _unit(job: Job, work_dir: Path) -> dict[str, Any]:
    """Time the first epoch of `ones`, and an evaluation after it."""
    cfg = base_config(job.problem, work_dir, job.seed)
    cfg.train_cfg.max_epochs = 1
    runner = _runner(cfg, job, work_dir)
    began = time.process_time()
    runner.train()
    trained = time.process_time()
    evaluator = RewardEvaluator(
        cfg.reward_dataloader, cfg.reward_evaluator, REWARD_METRIC, job.seed
    )
    prepared = time.process_time()
    evaluator.evaluate(runner.model)
    seconds = time.process_time() - prepared
    epoch = len(runner.train_dataloader)
    unit = Unit(
        iterations=job.problem.epochs * epoch,
        iteration=(trained - began) / epoch,
        image=seconds / len(evaluator.dataloader.dataset),
    )
    return dict(unit=unit._asdict())


def _search(job: Job, work_dir: Path) -> dict[str, Any]:
    cfg = base_config(job.problem, work_dir, job.seed)
    apply_search(SEARCHES[job.name], job.problem, cfg)
    runner, record = _counted_training(cfg, job, work_dir)
    if (Path(runner.work_dir) / EXPLORED_FILE).exists():
        record['metrics'] = _test(runner)
    return record


def _replay(job: Job, work_dir: Path) -> dict[str, Any]:
    """Judge the rounds of another search anew, which costs nothing."""
    (recorded,) = job.needs
    replay(
        job_folder(work_dir, recorded),
        SEARCHES[job.name].reward,
        job_folder(work_dir, job.key),
    )
    return dict(counts=Counts()._asdict(), starts=1)


def _train(job: Job, work_dir: Path) -> dict[str, Any]:
    method, problem, seed = METHODS[job.name], job.problem, job.seed
    # What a killed one has left: a training begins anew.
    shutil.rmtree(job_folder(work_dir, job.key), ignore_errors=True)
    policy = weights = None
    if method.search:
        search = search_of(problem, method, seed)
        policy = job_folder(work_dir, search.key) / POLICY_FILE
    if method.after:
        before = result_job(problem, METHODS[method.after], seed)
        weights = job_folder(work_dir, before.key) / WEIGHTS_FILE
    cfg = base_config(problem, work_dir, seed)
    apply_method(method, cfg, policy, weights)
    runner, record = _counted_training(cfg, job, work_dir)
    return record | dict(
        metrics=_test(runner), reward=_score_reward_images(runner)
    )


def _counted_training(
    cfg: Config, job: Job, work_dir: Path
) -> tuple[Runner, dict[str, Any]]:
    runner = _runner(cfg, job, work_dir)
    counter = Counter(Path(runner.work_dir) / NOTED)
    counter.watch(runner.model)
    runner.train()
    counts = counter.read()
    return runner, dict(counts=counts._asdict(), starts=counter.starts)


def _runner(cfg: Config, job: Job, work_dir: Path) -> Runner:
    cfg.work_dir = str(job_folder(work_dir, job.key))
    cfg.experiment_name = job.key.replace('/', '-')
    cfg.visualizer = dict(type='Visualizer')  # without files
    cfg.test_evaluator.type = ImagewisePanopticQuality.__name__
    return Runner.from_cfg(cfg)


def _test(runner: Runner) -> dict[str, float]:
    """Test once, and write the counts of each image, and some maps."""
    metrics = runner.test()
    maps = runner.test_loop.evaluator.metrics[0].maps
    np.savez_compressed(Path(runner.work_dir) / MAPS, **maps)
    return _write_counts(runner, runner.test_loop, metrics, COUNTS)


def _score_reward_images(runner: Runner) -> dict[str, float]:
    """Score a finished model as a search would, at no row's cost.

    It chooses nothing; it shows how far the order of rows there is that of
    the test images.
    """
    cfg = runner.cfg
    metric = dict(cfg.reward_evaluator, type=ImagewisePanopticQuality.__name__)
    loop = TestLoop(runner, cfg.reward_dataloader, metric)
    return _write_counts(runner, loop, loop.run(), REWARD_COUNTS)


def _write_counts(
    runner: Runner, loop: TestLoop, metrics: dict[str, float], name: str
) -> dict[str, float]:
    (metric,) = loop.evaluator.metrics
    np.savez_compressed(Path(runner.work_dir) / name, counts=metric.counts)
    return {k: float(metrics[f'coco_panoptic/{k}']) for k in TESTED}


_RUN = {
    PRETRAIN: _pretrain,
    UNIT: _unit,
    SEARCH: _search,
    REPLAY: _replay,
    TRAIN: _train,
}
