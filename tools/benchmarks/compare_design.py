"""Trainings that tell what each weight is worth, and when: a designed search.

Around all ones, every factor is raised in half of the trainings and lowered
in the other half, all at once and none together with another, so that each
effect is a difference of two means over all trainings.
"""

from __future__ import annotations

import math

import numpy as np
from method import Method
from mmengine.config import Config
from scipy.linalg import hadamard

KINDS = ('cls', 'bbox', 'mask', 'seg', 'rpn')
FACTORS = (
    *KINDS,
    'stages',
    *(f'{name}, early' for name in (*KINDS, 'stages')),
    'trunk',
)
"""Weights of a kind; the first stage against the last; both in the first half
of a training against the second; the trunk's learning rate."""
LEVEL = 0.69
"""Log of the factor by which a weight is raised or lowered; the halves of a
training are that far apart, and the trunk's rate is half as far."""
SIZE = 16
STAGES = 3


def design() -> np.ndarray:
    """Returns the levels, -1 or 1: a row a training, a column a factor.

    A Hadamard matrix without its constant column: the effects are free of each
    other, not of what two factors do together. The last columns have no
    factor; what they show is chance, or such pairs.
    """
    return hadamard(SIZE)[:, 1:]


def weights_of(levels: dict[str, int]) -> dict[str, tuple[float, float]]:
    """Returns the weights of each objective in both halves of a training.

    Args:
        levels: Of each factor.
    """
    weights = {}
    for kind in KINDS:
        staged = kind in ('cls', 'bbox', 'mask')
        for stage in range(STAGES if staged else 1):
            slope = 1 - stage if staged else 0
            level = levels[kind] + slope * levels['stages']
            early = levels[f'{kind}, early'] + slope * levels['stages, early']
            weights[f's{stage}.{kind}' if staged else kind] = (
                math.exp(LEVEL * (level + early / 2)),
                math.exp(LEVEL * (level - early / 2)),
            )
    return weights


def design_rows() -> list[Method]:
    """Returns the trainings as rows of the comparison."""
    return [
        _row(index, dict(zip(FACTORS, map(int, levels), strict=False)))
        for index, levels in enumerate(design())
    ]


def _row(index: int, levels: dict[str, int]) -> Method:
    schedules = {
        name: dict(points=[[0, first], [0.5, second]], shape='hold')
        for name, (first, second) in weights_of(levels).items()
    }

    def edit(cfg: Config, weights: list[list[float]]) -> None:
        for part in cfg.optim_wrapper.paramwise_cfg.custom_keys.values():
            part.lr_mult *= math.exp(LEVEL / 2 * levels['trunk'])

    weighting = dict(type='ScheduledWeighting', schedules=schedules)
    hook = dict(type='StepWeightingHook', weighting=weighting)
    return Method(f'design {index}', 'design', hook, edit=edit, rpn=True)
