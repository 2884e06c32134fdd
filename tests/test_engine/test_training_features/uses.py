"""The three uses of the package, each on the toy problem, to be compared."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch

from tests.support import toy

SEEDS = dict(type='EpochSeedHook')
LOSSES = dict(
    type='LossWeightingHook', weighting=dict(type='InverseLossWeighting')
)
GRADIENTS = dict(
    type='GradientWeightingHook', weighting=dict(type='GradNorm', lr=0.1)
)
USES = ('exploration', 'training', 'gradients')


def build(use: str, work_dir: Path, **options: Any) -> Any:
    """Builds a Runner of six iterations, a replica's or the training's.

    Args:
        use: One of `USES`, or 'both', an exploration and a training.
        work_dir: Its work directory.
        **options: Arguments of Runner that replace the defaults; `hooks`
            are added to those of the use.
    """
    exploration = toy.exploration(
        num_rounds=2,
        controller=dict(type='AdaSegment', num_replicas=2),
        **options.pop('exploration', {}),
    )
    training = dict(type='EpochBasedTrainLoop', max_epochs=2)
    both = dict(
        type='ExploreThenTrainLoop',
        exploration=exploration,
        training=training,
    )
    policy = dict(type='PolicyWeightingHook')
    loop, hooks = dict(
        exploration=(exploration, []),
        training=(training, [SEEDS, LOSSES]),
        gradients=(training, [SEEDS, GRADIENTS]),
        both=(both, [SEEDS, policy]),
    )[use]
    mode = 'grad' if use == 'gradients' else 'lr'
    optim_wrapper = dict(
        toy.OPTIM_WRAPPER,
        head_rule=dict(mode=mode),
        **options.pop('optim', {}),
    )
    return toy.runner(
        work_dir,
        train_cfg=loop,
        custom_hooks=[*hooks, *options.pop('hooks', [])],
        optim_wrapper=optim_wrapper,
        **options,
    )


def run(use: str, work_dir: Path, **options: Any) -> dict[str, Any]:
    """Runs a use to its end; returns its model and what it wrote."""
    runner = build(use, work_dir, **options)
    runner.train()
    return dict(state=toy.state_of(runner.model), rows=rows(use, work_dir))


def rows(use: str, work_dir: Path) -> list[dict[str, Any]]:
    """Returns the weights of each round or period, and what led to them."""
    if use == 'exploration':
        path = work_dir / 'exploration' / 'history.jsonl'
    else:
        path = work_dir / 'weights.jsonl'
    found = [json.loads(line) for line in path.read_text().splitlines()]
    keys = ('weights', 'losses', 'metrics', 'rewards')
    return [{k: r[k] for k in keys if k in r} for r in found]


def assert_same(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Asserts that two runs were the same to the bit."""
    toy.assert_same_state(first['state'], second['state'])
    assert first['rows'] == second['rows']


def assert_close(first: Any, second: Any, **tolerance: float) -> None:
    """Asserts that two runs were the same but for a tolerance."""
    options = {'rtol': 1e-3, 'atol': 1e-4, **tolerance}
    for name, value in first['state'].items():
        torch.testing.assert_close(value, second['state'][name], **options)
    torch.testing.assert_close(
        torch.tensor(_numbers(first['rows'])),
        torch.tensor(_numbers(second['rows'])),
        **options,
    )


def largest_difference(first: Any, second: Any) -> float:
    """Returns by how much the two models differ at most."""
    return max(
        (value - second['state'][name]).abs().max().item()
        for name, value in first['state'].items()
    )


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [number for part in value for number in _numbers(part)]
    return [math.nan if value is None else float(value)]
