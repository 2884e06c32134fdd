"""What a person should know of a policy's weights, in plain words."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mmada.controllers import PolicyEnsemble

LARGEST_RATIO = 10.0
"""Between two weights, from which on it is worth a word."""


def weight_warnings(ensemble: PolicyEnsemble, losses: Tensor) -> list[str]:
    """Says which weights of the last policy are at the floor or far apart.

    Args:
        ensemble: What was learned.
        losses: Raw losses, shape (n,).
    """
    names = ensemble.objectives
    with torch.no_grad():
        raw = ensemble.policies[-1].weights(losses).tolist()
    found = [
        f'The weight of {name} would be {weight:.3g}, which the floor raises '
        f'to {ensemble.floor:g}: that loss is all but switched off.'
        for name, weight in zip(names, raw, strict=True)
        if weight < ensemble.floor
    ]
    weights = ensemble.last_weights(losses)
    high, low = int(weights.argmax()), int(weights.argmin())
    ratio = float(weights[high] / weights[low])
    if ratio > LARGEST_RATIO:
        found.append(
            f'{names[high]} is weighted {ratio:.3g} times as much as '
            f'{names[low]}.'
        )
    return found


def ensemble_warnings(
    ensemble: PolicyEnsemble, losses: Tensor, limit: float
) -> list[str]:
    """Says for which objectives the saved policies disagree.

    Args:
        ensemble: What was learned.
        losses: Raw losses, shape (n,).
        limit: Ratio between two of them from which on they disagree.
    """
    with torch.no_grad():
        rows = torch.stack([p.weights(losses) for p in ensemble.policies])
    rows = rows.clamp(min=ensemble.floor)
    low, high = rows.amin(0).tolist(), rows.amax(0).tolist()
    return [
        f'The policies of the rounds disagree on {name}: its weight is '
        f'{a:.3g} with one and {b:.3g} with another.'
        for name, a, b in zip(ensemble.objectives, low, high, strict=True)
        if b > limit * a
    ]


def name_warnings(policy: Sequence[str], model: Sequence[str]) -> list[str]:
    """Says why a policy does not fit the objectives of a model."""
    if list(policy) == list(model):
        return []
    missing = [name for name in model if name not in policy]
    unknown = [name for name in policy if name not in model]
    if not missing and not unknown:
        return [
            'The policy has the objectives in another order, '
            f'{", ".join(policy)}; the config has {", ".join(model)}. A '
            'training would refuse it.'
        ]
    parts = [
        f'the policy does not know {", ".join(missing)}' if missing else '',
        f'the config does not have {", ".join(unknown)}' if unknown else '',
    ]
    return [
        'The objectives differ: '
        f'{"; ".join(filter(None, parts))}. A training would refuse it.'
    ]
