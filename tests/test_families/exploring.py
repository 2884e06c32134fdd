"""An exploration of a family through the real Runner."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

from tests.support import tiny_data, toy
from tests.test_families.family import SGD, Family

OFFSET, SIZE = 100, 3  # of the reward images


def dataloader(family: Family, offset: int, size: int) -> dict[str, Any]:
    """Returns a dataloader config of batches of two."""
    config = tiny_data.dataloader(offset, size, batch_size=2)
    config['dataset']['type'] = family.dataset
    return config


def reward(family: Family, truth: Path) -> dict[str, Any]:
    """Returns what scores a replica, its files filled in."""
    evaluator = {
        key: value.format(truth=truth) if isinstance(value, str) else value
        for key, value in family.metric.evaluator.items()
    }
    return dict(
        reward_dataloader=dataloader(family, OFFSET, SIZE),
        reward_evaluator=evaluator,
        reward_metric=family.metric.key,
    )


def explore(family: Family, work_dir: Path, truth: Path) -> None:
    """Explores 2 rounds of 2 replicas, 2 iterations each."""
    runner = toy.runner(
        work_dir,
        model=dict(
            type='LossWeightWrapper',
            objectives=dict(family.objectives),
            detector=copy.deepcopy(dict(family.detector)),
        ),
        train_dataloader=dataloader(family, 0, 4),
        train_cfg=dict(
            type='ParallelExplorationLoop',
            num_rounds=2,
            controller=dict(type='AdaSegment', num_replicas=2),
            **reward(family, truth),
        ),
        optim_wrapper=dict(
            type='OptimWrapper',
            constructor='HeadRuleOptimWrapperConstructor',
            optimizer=dict(family.optimizer or SGD),
            clip_grad=dict(max_norm=10.0),
            head_rule=dict(mode=family.mode),
        ),
        default_scope=family.scope,
    )
    runner.train()


def history(work_dir: Path) -> list[dict[str, Any]]:
    """Returns the record of each round."""
    path = work_dir / 'exploration/history.jsonl'
    return [json.loads(line) for line in path.read_text().splitlines()]
