"""Runs one job of the comparison in this process."""

from __future__ import annotations

import shutil
import time
import traceback
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
from mmengine.runner import Runner, TestLoop
from mmengine.visualization import Visualizer
from problems import base_config, state_file
from replays import replay
from results import MAPS, NOTED, job_folder, log_file
from scoring import Scoring

import mmada  # noqa: F401  registers everything
from mmada.engine.reward import RewardEvaluator
from mmada.utils.costs import Counts, Unit
from mmada.utils.run_files import EXPLORED_FILE, POLICY_FILE, WEIGHTS_FILE


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
        cfg.reward_dataloader,
        cfg.reward_evaluator,
        job.problem.scoring.reward,
        job.seed,
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
        record['metrics'] = _test(runner, job.problem.scoring)
    return record


def _replay(job: Job, work_dir: Path) -> dict[str, Any]:
    """Judge the rounds of another search anew, which costs nothing."""
    (recorded,) = job.needs
    search = SEARCHES[job.name]
    replay(
        job_folder(work_dir, recorded),
        search.reward,
        job_folder(work_dir, job.key),
        search.step,
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
        metrics=_test(runner, problem.scoring),
        reward=_score_reward_images(runner, problem.scoring),
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
    cfg.test_evaluator.update(job.problem.scoring.evaluator)
    return Runner.from_cfg(cfg)


def _test(runner: Runner, scoring: Scoring) -> dict[str, float]:
    """Test once, and keep what intervals and pictures are made from."""
    metrics = runner.test()
    (metric,) = runner.test_loop.evaluator.metrics
    folder = Path(runner.work_dir)
    np.savez_compressed(folder / scoring.kept_as, **scoring.kept(metric))
    if maps := scoring.maps(metric):
        np.savez_compressed(folder / MAPS, **maps)
    return _percentages(metrics, scoring)


def _score_reward_images(runner: Runner, scoring: Scoring) -> dict[str, float]:
    """Score a finished model as a search would, at no row's cost.

    It chooses nothing; it shows how far the order of rows there is that of
    the test images.
    """
    cfg = runner.cfg
    evaluator = dict(cfg.reward_evaluator, **scoring.evaluator)
    loop = TestLoop(runner, cfg.reward_dataloader, evaluator)
    metrics = loop.run()
    (metric,) = loop.evaluator.metrics
    file = Path(runner.work_dir) / scoring.rewards_kept_as
    np.savez_compressed(file, **scoring.kept(metric))
    return _percentages(metrics, scoring)


def _percentages(
    metrics: dict[str, Any], scoring: Scoring
) -> dict[str, float]:
    return {
        name: scoring.scale * float(metrics[scoring.prefix + name])
        for name in scoring.columns.values()
    }


_RUN = {
    PRETRAIN: _pretrain,
    UNIT: _unit,
    SEARCH: _search,
    REPLAY: _replay,
    TRAIN: _train,
}
