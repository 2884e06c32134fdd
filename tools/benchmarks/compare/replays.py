"""Searches judged in another way, without a training.

The replicas of SlopeSearch train with the same weights whatever they score. So
the metrics that it recorded tell what it would have found by any other reward
that they make, by other rounds, or with a shorter step.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from results import HISTORY
from torch import Tensor

from mmada.controllers import SlopeSearch
from mmada.policies.policy import GroupPolicy
from mmada.policies.policy_file import load_policy, save_policy
from mmada.utils.run_files import POLICY_FILE

Rounds = Sequence[Sequence[Mapping[str, float]]]
"""Metrics of each replica in each round."""


def quality(rounds: Rounds, kind: str = 'PQ') -> Tensor:
    """Return a metric of each replica in each round, shape (T, m)."""
    return torch.tensor(
        [
            [found[f'coco_panoptic/{kind}'] for found in each]
            for each in rounds
        ],
        dtype=torch.float64,
    )


def things_and_stuff(rounds: Rounds) -> Tensor:
    """Return the geometric mean of PQ of things and of stuff, (T, m).

    Where the reward images have few things, or hard ones, PQ is that of stuff
    above all. Here a percent of either counts alike.
    """
    return (quality(rounds, 'PQ_th') * quality(rounds, 'PQ_st')).sqrt()


def last_two_rounds(rounds: Rounds) -> Tensor:
    """Return the mean PQ of the last two rounds as that of each, (T, m)."""
    found = quality(rounds)
    return found[-2:].mean(0).expand_as(found)


REWARDS: dict[str, Callable[[Rounds], Tensor]] = {
    '': quality,
    'things and stuff': things_and_stuff,
    'last two rounds': last_two_rounds,
}


def replay(source: Path, reward: str, target: Path, step: float = 1.0) -> None:
    """Write the policy that a search would have found in another way.

    Args:
        source: Work directory of a SlopeSearch that has ended.
        reward: Name of the reward, '' for PQ.
        target: Gets the policy file.
        step: Share of its step that the policy takes.
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
    records = [json.loads(line) for line in lines]
    scores = REWARDS[reward]([record['metrics'] for record in records])
    for record, metrics in zip(records, scores, strict=True):
        controller.propose(torch.tensor(record['losses']).double())
        result = controller.observe(metrics, None)
    learned = controller.learned([result.updated], scores[-1:])
    verdict = {} if learned else dict(nothing_learned=result.reason)
    (policy,) = controller.ensemble().policies
    assert isinstance(policy, GroupPolicy)
    policy.bias.mul_(step)
    ensemble = controller.ensemble().named(records[-1]['objectives'])
    target.mkdir(parents=True, exist_ok=True)
    save_policy(target / POLICY_FILE, ensemble, verdict)
