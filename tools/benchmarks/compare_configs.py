"""The configs of a problem: its scenes, `ones`, and wrong scales."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from compare_places import STATE, job_folder
from mmengine.config import Config, ConfigDict
from problems import Problem, digest

from mmada.datasets import SceneOptions, make_scenes
from mmada.models import build_objectives

CONFIGS = Path(__file__).resolve().parents[2] / 'configs' / 'baselines'
OTHER_SEED = 1000  # added to the seed of the scenes: those of pretraining
REWARD_METRIC = 'coco_panoptic/PQ'
VALIDATION = ('val_cfg', 'val_dataloader', 'val_evaluator')
SCHEDULES: dict[str, dict[str, Any]] = {
    'cosine': dict(
        type='CosineAnnealingLR', convert_to_iter_based=True, eta_min=0
    ),
    'constant': dict(type='ConstantLR', factor=1.0),
    # A tenth, and a tenth of that, as in the 1x schedule of detectors.
    'steps': dict(type='MultiStepLR', milestones=[4, 5], gamma=0.1),
}


def draw_scenes(problem: Problem, work_dir: Path) -> None:
    """Draws a problem's scenes and others for its pretraining."""
    for others in (False, True):
        options = _options(problem, others)
        make_scenes(work_dir / 'scenes' / _folder(options), options)


def base_config(
    problem: Problem, work_dir: Path, seed: int, pretraining: bool = False
) -> Config:
    """Returns the config of a training with all weights 1.

    Args:
        problem: The problem.
        work_dir: Directory of the benchmark.
        seed: Seed of the training and of the draw of the scales.
        pretraining: Whether it is to make the pretrained state, from random
            values on scenes of its own and without a change of scale.
    """
    folder = _folder(_options(problem, pretraining))
    os.environ['MMADA_SCENES'] = f'{work_dir / "scenes" / folder}/'
    os.environ['MMADA_PRETRAINED'] = str(state_file(problem, work_dir))
    cfg = Config.fromfile(CONFIGS / problem.config)
    cfg.model.objectives = problem.objectives
    if not pretraining:  # which is common to all that tune them
        tune(cfg, problem)
    detector, width = cfg.model.detector, problem.width
    detector.backbone.base_channels = width
    detector.backbone.depth = problem.depth
    detector.neck.in_channels = [width * 2**stage for stage in range(4)]
    epochs = problem.pretraining if pretraining else problem.epochs
    cfg.train_cfg.max_epochs = epochs
    cfg.default_hooks.checkpoint = None
    del cfg.default_hooks.visualization
    # MMEngine would validate after the last epoch, whatever the interval.
    cfg.update(dict.fromkeys(VALIDATION))
    cfg.randomness = dict(seed=seed)
    cfg.log_level = 'WARNING'
    if pretraining:
        cfg.model.init_cfg = None
    else:
        scale_losses(cfg, problem.factors(seed))
    return cfg


def tune(cfg: Config, problem: Problem) -> None:
    """Sets the learning rates of a problem, and their course."""
    cfg.param_scheduler = [dict(SCHEDULES[problem.schedule], by_epoch=True)]
    cfg.optim_wrapper.optimizer.lr = problem.lr
    for part in cfg.optim_wrapper.paramwise_cfg.custom_keys.values():
        part.lr_mult = problem.trunk


def state_file(problem: Problem, work_dir: Path) -> Path:
    """Returns where the pretrained state is."""
    return job_folder(work_dir, problem.start) / STATE


def scale_losses(cfg: Config, factors: Mapping[str, float]) -> None:
    """Multiplies the losses of each objective in a detector's config."""
    objectives = build_objectives(cfg.model.objectives)
    assert objectives is not None
    for name, head, key in _losses(cfg.model.detector):
        index = objectives.index(name)
        if index is not None:
            weight = head[key].get('loss_weight', 1.0)
            weight *= factors[objectives.names[index]]
            head[key] = dict(head[key], loss_weight=weight)


def _losses(detector: ConfigDict) -> Iterator[tuple[str, ConfigDict, str]]:
    """Yields name, head and key of each loss but those of the RPN."""
    yield 'loss_seg', detector.semantic_head, 'loss_seg'
    roi_head = detector.roi_head
    for head, keys in (
        (roi_head.bbox_head, ('loss_cls', 'loss_bbox')),
        (roi_head.mask_head, ('loss_mask',)),
    ):
        cascade = isinstance(head, (list, tuple))
        for stage, one in enumerate(head if cascade else [head]):
            for key in keys:
                yield f's{stage}.{key}' if cascade else key, one, key


def _options(problem: Problem, others: bool) -> SceneOptions:
    if not others:
        return problem.scenes
    fields = dict(asdict(problem.scenes))
    fields['seed'] += OTHER_SEED
    fields['num'] = dict(fields['num'], reward=1, test=1)
    return SceneOptions(**fields)


def _folder(options: SceneOptions) -> str:
    return f'{options.seed}-{digest(options.manifest())}'
