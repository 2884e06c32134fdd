"""Presets: tables of components that make up an Ada-Segment controller.

A preset's keyword arguments are the options that a config may set.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, get_args

from torch import Generator

from mmada.controllers.ada_segment.exploration import (
    Exploration,
    GaussianExploration,
    GroupExploration,
)
from mmada.controllers.ada_segment.learners import Learner, ReinforceLearner
from mmada.controllers.ada_segment.slope_learner import SlopeLearner
from mmada.controllers.base import FirstReference
from mmada.controllers.rewards import (
    RewardFunction,
    clipped_reward,
    local_progress_reward,
    progress_reward,
)
from mmada.policies.ensemble import WEIGHT_FLOOR
from mmada.policies.policy import GroupPolicy, LossRatioPolicy, Policy
from mmada.utils.checks import check_choice, check_number

PAPER_REWARDS: dict[str, RewardFunction] = dict(
    full=progress_reward, local=local_progress_reward
)
"""Rewards of the paper: Eq. 5, and its ablation without r_imp."""


class Components(NamedTuple):
    """The parts of a controller.

    Attributes:
        policy: Maps losses to the mean action.
        exploration: Draws actions around the mean.
        reward: Maps metrics to rewards.
        learner: Improves the policy.
        noise_floor: Spread of the metric below which a round says nothing,
            in the metric's unit.
        shrink: Factor on the exploration's spread after a round that left
            no valid replica, taken back round by round; 1 is none.
        floor: Smallest weight that a replica trains with.
        gamma: Discount of the ensemble (Eq. 7).
        first_reference: What the first round is compared with.
    """

    policy: Policy
    exploration: Exploration
    reward: RewardFunction
    learner: Learner
    noise_floor: float
    shrink: float
    floor: float
    gamma: float
    first_reference: FirstReference = 'pseudo'


def paper(
    num_objectives: int,
    generator: Generator,
    *,
    hidden: int = 16,
    init_std: float = 0.01,
    sigma: float = 0.2,
    reward: str = 'full',
    lr: float = 0.05,
    weight_decay: float = 5e-4,
    noise_floor: float = 0.0,
    floor: float = WEIGHT_FLOOR,
    gamma: float = 0.9,
    updates_per_round: int = 20,
    first_reference: FirstReference = 'start',
) -> Components:
    """Build the components as the paper describes them.

    It leaves open how many steps follow a round, and what the metrics of the
    first one are compared with. The defaults keep weights positive as long
    as the metric rises from round to round: all rewards are positive then,
    and Eq. 6 is a weighted likelihood with a maximum among the samples. With
    negative rewards it has none: the weights may become negative, and once
    every sample does, no reward tells samples apart and the search is dead.

    Raises:
        ValueError: If a value is out of range.
    """
    check_choice('reward', reward, PAPER_REWARDS)
    check_choice('first_reference', first_reference, get_args(FirstReference))
    policy = LossRatioPolicy(num_objectives, hidden, init_std, generator)
    return Components(
        policy=policy,
        exploration=GaussianExploration(sigma),
        reward=PAPER_REWARDS[reward],
        learner=ReinforceLearner(policy, lr, weight_decay, updates_per_round),
        noise_floor=check_number('noise_floor', noise_floor, 0),
        shrink=1.0,
        floor=check_number('floor', floor, 0, 1, above=True),
        gamma=check_number('gamma', gamma, 0, 1, above=True),
        first_reference=first_reference,
    )


def stable(
    num_objectives: int,
    generator: Generator,
    *,
    groups: Sequence[Sequence[int]] | None = None,
    start: float = 1.0,
    sigma: float = 0.8,
    kl_limit: float = 3.0,
    radius: float = 2.0,
    discount: float = 0.85,
    reward_clip: float = 2.0,
    noise_floor: float = 0.0,
    shrink: float = 0.5,
    floor: float = WEIGHT_FLOOR,
    gamma: float = 0.9,
) -> Components:
    """Build components that climb the slope of the metric.

    Weights are positive whatever is drawn, and a step is bounded. Nothing
    here is random at first.

    Raises:
        ValueError: If a value is out of range.
    """
    policy = GroupPolicy(num_objectives, groups, start)
    return Components(
        policy=policy,
        exploration=GroupExploration(sigma, policy.groups),
        reward=partial(
            clipped_reward,
            clip=check_number('reward_clip', reward_clip, 0, above=True),
        ),
        learner=SlopeLearner(policy, kl_limit, radius, discount),
        noise_floor=check_number('noise_floor', noise_floor, 0),
        shrink=check_number('shrink', shrink, 0, 1, above=True),
        floor=check_number('floor', floor, 0, 1, above=True),
        gamma=check_number('gamma', gamma, 0, 1, above=True),
    )


PRESETS: dict[str, Callable[..., Components]] = dict(
    paper=paper, stable=stable
)


def preset_options(preset: str) -> dict[str, Any]:
    """Return the options of a preset and their defaults.

    Raises:
        ValueError: If there is no such preset.
    """
    check_choice('preset', preset, PRESETS)
    parameters = inspect.signature(PRESETS[preset]).parameters.values()
    return {
        parameter.name: parameter.default
        for parameter in parameters
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def build_preset(
    preset: str,
    num_objectives: int,
    generator: Generator,
    options: dict[str, Any],
) -> Components:
    """Build a preset with some of its options changed.

    Raises:
        ValueError: If the preset or an option is unknown, or a value is out
            of range.
    """
    known = preset_options(preset)
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(
            f'Options of preset {preset!r} should be among {sorted(known)}. '
            f'Found {unknown}.'
        )
    return PRESETS[preset](num_objectives, generator, **options)
