"""The problems of the comparison, and their configs.

A problem is images, a model, a schedule and scales of losses.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from camvid_images import CamVidImages
from mmengine.config import Config, ConfigDict
from results import STATE, job_folder
from scoring import SCORINGS, Scoring

from mmada.datasets import SceneOptions, make_scenes
from mmada.models import build_objectives

CONFIGS = Path(__file__).resolve().parents[3] / 'configs' / 'baselines'
OTHER_SEED = 1000  # added to the seed of the scenes: those of pretraining
VALIDATION = ('val_cfg', 'val_dataloader', 'val_evaluator')
SCHEDULES: dict[str, dict[str, Any]] = {
    'cosine': dict(
        type='CosineAnnealingLR', convert_to_iter_based=True, eta_min=0
    ),
    'constant': dict(type='ConstantLR', factor=1.0),
    # A tenth, and a tenth of that, as in the 1x schedule of detectors.
    'steps': dict(type='MultiStepLR', milestones=[4, 5], gamma=0.1),
}
LR = 0.003
CAMVID_LR = 0.001
# Fields that came later: at their defaults they leave keys as they were.
ADDED = ('depth', 'schedule', 'scored_by')


class Problem(NamedTuple):
    """What all methods are compared on.

    Attributes:
        name: Its name.
        images: Training, reward and test images.
        config: Config of `ones`, in configs/baselines.
        objectives: What is weighted.
        pretraining: Epochs that make the state all trainings start from; 0
            for what the config starts from.
        epochs: Epochs E of a training, and rounds of a search.
        lr: Learning rate.
        trunk: Multiplier of the learning rate of backbone and neck.
        replicas: Replicas m of a search.
        scales: Factors on the losses, by objective.
        width: Channels of the backbone's first stage, a ResNet's; a narrow
            trunk cannot serve all losses alike. 0 for the config's backbone.
        drawn_scale: Largest factor s of a drawn mis-scaling: each objective
            gets one of its own, log-uniform in [1/s, s], drawn anew for each
            seed; 1 is none.
        depth: Layers of the backbone, a ResNet.
        schedule: Name of the learning rate's course.
        scored_by: Name of the metric, in `SCORINGS`.
    """

    name: str
    images: SceneOptions | CamVidImages
    config: str = 'cascade_panoptic_tiny_scenes_ones.py'
    objectives: str = 'cascade_panoptic'
    pretraining: int = 10
    epochs: int = 6
    lr: float = LR
    trunk: float = 1.0
    replicas: int = 4
    scales: Mapping[str, float] = {}
    width: int = 8
    drawn_scale: float = 1.0
    depth: int = 18
    schedule: str = 'cosine'
    scored_by: str = 'panoptic quality'

    @property
    def scoring(self) -> Scoring:
        """How its models are scored."""
        return SCORINGS[self.scored_by]

    @property
    def key(self) -> str:
        """Name and fingerprint: another definition has another key."""
        return f'{self.name}-{digest(_plain(self))}'

    def groups(self, rpn: bool) -> list[list[int]]:
        """Return objectives of one kind together, as those of all stages.

        Args:
            rpn: Whether the losses of the region proposals are one of them.
        """
        kinds = [name.split('.')[-1] for name in self.objective_names]
        kinds += ['rpn'] * rpn
        return [
            [i for i, one in enumerate(kinds) if one == kind]
            for kind in dict.fromkeys(kinds)
        ]

    @property
    def start(self) -> str:
        """Name of the pretrained state; problems may share it."""
        plain = _plain(self)
        fields = ('config', 'scenes', 'pretraining', 'width', 'depth')
        parts = [plain[field] for field in fields if field in plain]
        return f'pretrained-{digest(parts)}'

    @property
    def objective_names(self) -> tuple[str, ...]:
        """Names of the objectives."""
        objectives = build_objectives(self.objectives)
        assert objectives is not None
        return objectives.names

    def factors(self, seed: int) -> dict[str, float]:
        """Return the factor on the losses of each objective."""
        names = self.objective_names
        rng = np.random.default_rng((self.images.seed, seed))
        draws = rng.uniform(-1, 1, len(names)) * math.log(self.drawn_scale)
        return {
            name: self.scales.get(name, 1.0) * math.exp(draw)
            for name, draw in zip(names, draws, strict=True)
        }


def _scenes(seed: int, min_radius: float) -> SceneOptions:
    num = dict(train=160, reward=96, test=200)
    return SceneOptions((64, 96), num, seed, min_radius)


PROBLEMS: dict[str, Problem] = {
    problem.name: problem
    for problem in (
        Problem('cascade', _scenes(11, 6.0)),
        Problem(
            'panoptic_fpn',
            _scenes(12, 6.0),
            config='panoptic_fpn_tiny_scenes_ones.py',
            objectives='panoptic_fpn',
        ),
        Problem('small_things', _scenes(13, 3.0)),
        Problem('misscaled', _scenes(11, 6.0), drawn_scale=8.0),
    )
}

# Where a policy of `cascade` may be used without a search of its own: with a
# longer schedule, and with another backbone.
TRANSFERS: dict[str, Problem] = {
    problem.name: problem
    for problem in (
        Problem('longer', _scenes(11, 6.0), epochs=12),
        Problem('deeper', _scenes(11, 6.0), depth=34),
    )
}

# Is `ones` at its best? On scenes of their own, so that no test image of the
# comparison has a say.
TUNINGS: dict[str, Problem] = {
    name: Problem(name, _scenes(21, 6.0), **fields)
    for name, fields in (
        ('tuning', {}),
        ('tuning, lr x0.5', dict(lr=0.5 * LR)),
        ('tuning, lr x2', dict(lr=2 * LR)),
        ('tuning, trunk x0.4', dict(trunk=0.4)),
        ('tuning, trunk x2.5', dict(trunk=2.5)),
        ('tuning, constant', dict(schedule='constant')),
        ('tuning, constant, lr x0.5', dict(schedule='constant', lr=0.5 * LR)),
        ('tuning, steps', dict(schedule='steps')),
    )
}
# Where the controllers were chosen, beside `tuning` itself.
TUNINGS['tuning, misscaled'] = Problem(
    'tuning, misscaled', _scenes(21, 6.0), drawn_scale=8.0
)
TUNINGS['tuning, panoptic_fpn'] = PROBLEMS['panoptic_fpn']._replace(
    name='tuning, panoptic_fpn', images=_scenes(21, 6.0)
)


# Real images, which have to be there already.
CAMVID = Problem(
    'camvid',
    CamVidImages(),
    config='../camvid/cascade_panoptic_lite0_camvid_ones.py',
    pretraining=0,
    epochs=8,
    lr=CAMVID_LR,
    replicas=8,
    width=0,
)
CAMVID_DETECTOR = CAMVID._replace(
    name='camvid, mask_rcnn',
    config='../camvid/mask_rcnn_lite0_camvid_ones.py',
    objectives='mask_rcnn',
    scored_by='mask AP50',
)
REAL: dict[str, Problem] = {
    problem.name: problem
    for problem in (
        CAMVID,
        CAMVID._replace(name='camvid, misscaled', drawn_scale=8.0),
        CAMVID._replace(
            name='camvid, panoptic_fpn',
            config='../camvid/panoptic_fpn_lite0_camvid_ones.py',
            objectives='panoptic_fpn',
        ),
        # A detector alone, as most are.
        CAMVID_DETECTOR,
        CAMVID_DETECTOR._replace(
            name='camvid, mask_rcnn, misscaled', drawn_scale=8.0
        ),
        # Nearer the plateau of `ones`.
        CAMVID._replace(name='camvid, 12 epochs', epochs=12),
        CAMVID._replace(
            name='camvid, misscaled, 12 epochs', drawn_scale=8.0, epochs=12
        ),
    )
}
# Is `ones` at its best there? Told by the validation images.
REAL |= {
    name: CAMVID._replace(
        name=name, images=CamVidImages(scored='val'), **fields
    )
    for name, fields in (
        ('camvid tuning', {}),
        ('camvid tuning, lr x0.5', dict(lr=0.5 * CAMVID_LR)),
        ('camvid tuning, lr x2', dict(lr=2 * CAMVID_LR)),
        ('camvid tuning, trunk x0.3', dict(trunk=0.3)),
        ('camvid tuning, trunk x0.1', dict(trunk=0.1)),
        ('camvid tuning, 12 epochs', dict(epochs=12)),
        ('camvid tuning, 16 epochs', dict(epochs=16)),
    )
}

ALL = PROBLEMS | TRANSFERS | TUNINGS | REAL
WITH_COUNTS = {
    name: problem
    for name, problem in ALL.items()
    if problem.scored_by == 'panoptic quality'
}
"""Those for which the counts of each image and class are kept."""
_QUICK = dict(train=64, reward=24, test=32)


def quick(problem: Problem) -> Problem:
    """Return a small form of a problem, for a look at the whole."""
    return problem._replace(
        images=replace(problem.images, num=_QUICK),
        pretraining=min(4, problem.pretraining),
        epochs=problem.epochs // 3,
        replicas=2,
    )


def counterpart(problem: Problem, name: str) -> Problem:
    """Return another problem, in small form if this one is.

    Args:
        problem: The problem at hand.
        name: Of the other one; where there is one of that name for this
            problem's objectives, that.
    """
    other = ALL.get(f'{name}, {problem.objectives}', ALL[name])
    return quick(other) if problem.images.num == _QUICK else other


def _plain(problem: Problem) -> dict[str, Any]:
    values = problem._asdict()
    values['scenes'] = values.pop('images').manifest()
    for field in ADDED:
        if values[field] == Problem._field_defaults[field]:
            del values[field]
    return values


def digest(value: Any) -> str:
    """Return a short fingerprint of a JSON value."""
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def prepare_images(problem: Problem, work_dir: Path) -> None:
    """Draw a problem's scenes and others for its pretraining.

    Raises:
        ValueError: If its images cannot be drawn, and are not there.
    """
    if isinstance(problem.images, CamVidImages):
        problem.images.check()
        return
    for options in (problem.images, _other_scenes(problem.images)):
        make_scenes(_folder(options, work_dir), options)


def base_config(
    problem: Problem, work_dir: Path, seed: int, pretraining: bool = False
) -> Config:
    """Return the config of a training with all weights 1.

    Args:
        problem: The problem.
        work_dir: Directory of the benchmark.
        seed: Seed of the training and of the draw of the scales.
        pretraining: Whether it is to make the pretrained state, from random
            values on scenes of its own and without a change of scale.
    """
    cfg = _read_config(problem, work_dir, pretraining)
    cfg.model.objectives = problem.objectives
    if not pretraining:  # which is common to all that tune them
        tune(cfg, problem)
    if problem.width:
        scale_backbone(cfg.model.detector, problem)
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


def _read_config(
    problem: Problem, work_dir: Path, pretraining: bool
) -> Config:
    images = problem.images
    path = CONFIGS / problem.config
    if isinstance(images, CamVidImages):
        cfg = Config.fromfile(path)
        images.apply(cfg)
        return cfg
    scenes = _other_scenes(images) if pretraining else images
    os.environ['MMADA_SCENES'] = f'{_folder(scenes, work_dir)}/'
    os.environ['MMADA_PRETRAINED'] = str(state_file(problem, work_dir))
    return Config.fromfile(path)


def scale_backbone(detector: ConfigDict, problem: Problem) -> None:
    """Set width and depth of a ResNet, and what the neck sees of them."""
    detector.backbone.base_channels = problem.width
    detector.backbone.depth = problem.depth
    detector.neck.in_channels = [problem.width * 2**k for k in range(4)]


def tune(cfg: Config, problem: Problem) -> None:
    """Set the learning rates of a problem, and their course."""
    cfg.param_scheduler = [dict(SCHEDULES[problem.schedule], by_epoch=True)]
    cfg.optim_wrapper.optimizer.lr = problem.lr
    for part in cfg.optim_wrapper.paramwise_cfg.custom_keys.values():
        part.lr_mult = problem.trunk


def state_file(problem: Problem, work_dir: Path) -> Path:
    """Return where the pretrained state is."""
    return job_folder(work_dir, problem.start) / STATE


def scale_losses(cfg: Config, factors: Mapping[str, float]) -> None:
    """Multiply the losses of each objective in a detector's config."""
    objectives = build_objectives(cfg.model.objectives)
    assert objectives is not None
    for name, head, key in _losses(cfg.model.detector):
        index = objectives.index(name)
        if index is not None:
            weight = head[key].get('loss_weight', 1.0)
            weight *= factors[objectives.names[index]]
            head[key] = dict(head[key], loss_weight=weight)


def _losses(detector: ConfigDict) -> Iterator[tuple[str, ConfigDict, str]]:
    """Yield name, head and key of each loss but those of the RPN."""
    if 'semantic_head' in detector:
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


def _other_scenes(scenes: SceneOptions) -> SceneOptions:
    num = dict(scenes.num, reward=1, test=1)
    return replace(scenes, seed=scenes.seed + OTHER_SEED, num=num)


def _folder(scenes: SceneOptions, work_dir: Path) -> Path:
    name = f'{scenes.seed}-{digest(scenes.manifest())}'
    return work_dir / 'scenes' / name
