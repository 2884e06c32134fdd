"""Searches judged by another reward, without a training.

The replicas of SlopeSearch train with the same weights whatever they score. So
the metrics that it recorded tell what it would have found by any other reward
that they make.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from results import HISTORY

from mmada.controllers import SlopeSearch
from mmada.policies.policy_file import load_policy, save_policy
from mmada.utils.run_files import POLICY_FILE

Metrics = Mapping[str, float]


def things_and_stuff(metrics: Metrics) -> float:
    """Return the geometric mean of PQ of things and of stuff.

    Where the reward images have few things, or hard ones, PQ is that of stuff
    above all. Here a percent of either counts alike.
    """
    things, stuff = (metrics[f'coco_panoptic/{k}'] for k in ('PQ_th', 'PQ_st'))
    return math.sqrt(things * stuff)


REWARDS: dict[str, Callable[[Metrics], float]] = {
    'things and stuff': things_and_stuff
}


def replay(source: Path, reward: str, target: Path) -> None:
    """Write the policy that a search would have found by another reward.

    Args:
        source: Work directory of a SlopeSearch that has ended.
        reward: Name of the reward.
        target: Gets the policy file.
    """
    origin = load_policy(source / POLICY_FILE).provenance
    controller = SlopeSearch(
        origin['num_objectives'],
        origin['num_rounds'],
        origin['num_replicas'],
        seed=origin['seed'],
        **dict(centre=False, control=False) | origin['options'],
    )
    lines = (source / HISTORY).read_text().splitlines()
    for record in map(json.loads, lines):
        controller.propose(torch.tensor(record['losses']).double())
        scores = [REWARDS[reward](found) for found in record['metrics']]
        result = controller.observe(torch.tensor(scores).double(), None)
    learned = controller.learned([result.updated], torch.tensor([scores]))
    verdict = {} if learned else dict(nothing_learned=result.reason)
    ensemble = controller.ensemble().named(record['objectives'])
    target.mkdir(parents=True, exist_ok=True)
    save_policy(target / POLICY_FILE, ensemble, verdict)
