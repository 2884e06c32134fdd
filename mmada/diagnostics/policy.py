"""What a policy file would do, before a training is spent on it.

`describe_policy` tabulates the weights that the policy gives, `dry_run`
measures those that a training with a config would start with; both warn in
plain words of what is unusual.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from mmengine.registry import HOOKS
from torch import Tensor

from mmada.diagnostics.first_batches import first_batches, read_training
from mmada.engine.hooks import PolicyWeightingHook
from mmada.engine.probe import MAX_BATCHES, raw_losses
from mmada.models import ObjectiveMeter
from mmada.policies import PolicyEnsemble, policy_file
from mmada.utils.files import sha256
from mmada.utils.measurements import measured
from mmada.utils.seeding import preserve_rng
from mmada.weightings import POLICY_MODES

FORMAT = 1
"""Version of the layout of `describe_policy`; raise it when it changes."""

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""What a loss is multiplied by in the grid."""

LARGEST_RATIO = 10.0
"""Ratio of two weights above which there is a warning."""


def describe_policy(
    ensemble: PolicyEnsemble,
    path: str | Path,
    num_epochs: int,
    disagreement: float,
) -> dict[str, Any]:
    """Tabulate what a policy file would do.

    Args:
        ensemble: What it holds.
        path: The file.
        num_epochs: E, epochs of the training to look ahead to.
        disagreement: See :func:`ensemble_warnings`.

    Returns:
        A JSON object: docs/live.md has its layout.
    """
    losses = ensemble.initial_losses
    return dict(
        schema=FORMAT,
        file=_file(Path(path)),
        provenance=ensemble.provenance,
        policy=_shape(ensemble),
        grid=grid(ensemble),
        epochs=[
            ensemble.weights(epoch, num_epochs, losses).tolist()
            for epoch in range(1, num_epochs + 1)
        ],
        modes=modes(ensemble, losses, num_epochs),
        negative=negative(ensemble),
        warnings=[
            *search_warnings(ensemble),
            *weight_warnings(ensemble, losses),
            *ensemble_warnings(ensemble, losses, disagreement),
        ],
        dry_run=None,
    )


def grid(ensemble: PolicyEnsemble) -> dict[str, Any]:
    """Return what becomes of all weights when one loss changes.

    The others stay at the initial losses; the last policy answers.

    Returns:
        `factors`, and `weights`: by objective whose loss changes, by
        factor, by objective.
    """
    losses = ensemble.initial_losses
    rows = []
    for index in range(ensemble.num_objectives):
        moved = losses.repeat(len(FACTORS), 1)
        moved[:, index] *= torch.tensor(FACTORS, dtype=torch.float64)
        rows.append([ensemble.last_weights(row).tolist() for row in moved])
    return dict(factors=list(FACTORS), weights=rows)


def modes(
    ensemble: PolicyEnsemble, losses: Tensor, num_epochs: int
) -> dict[str, list[float]]:
    """Return the weights of the first epoch in each mode.

    Args:
        ensemble: What was learned.
        losses: Raw losses that the training starts with, shape (n,).
        num_epochs: E.
    """
    started = ensemble.with_initial_losses(losses)
    return {
        name: kind(started).weights(1, num_epochs, losses).tolist()
        for name, kind in POLICY_MODES.items()
    }


def negative(ensemble: PolicyEnsemble) -> dict[str, Any]:
    """Return how likely a sample with a negative weight was, by round.

    Returns:
        `sigma` as the provenance has it, and `probability`, a number for
        each saved policy; both null where the provenance has no sigma.
    """
    options = ensemble.provenance.get('options')
    sigma = options.get('sigma') if isinstance(options, dict) else None
    if not isinstance(sigma, int | float) or not 0 < sigma < math.inf:
        return dict(sigma=None, probability=None)
    losses = ensemble.initial_losses
    with torch.no_grad():
        found = [
            float(policy.negative_probability(losses, sigma))
            for policy in ensemble.policies
        ]
    return dict(sigma=float(sigma), probability=found)


def _file(path: Path) -> dict[str, Any]:
    data = path.read_bytes()
    return dict(
        path=str(path),
        size=len(data),
        sha256=sha256(data),
        schema=policy_file.FORMAT,
    )


def _shape(ensemble: PolicyEnsemble) -> dict[str, Any]:
    return dict(
        objectives=list(ensemble.objectives),
        num_rounds=ensemble.num_rounds,
        spec=ensemble.policies[0].spec(),
        normaliser=ensemble.policies[0].normaliser,
        gamma=ensemble.gamma,
        floor=ensemble.floor,
        initial_losses=ensemble.initial_losses.tolist(),
        best_weights=ensemble.best_weights.tolist(),
    )


class Beginning(NamedTuple):
    """What a training begins with.

    Attributes:
        config: Its config file.
        checkpoint: What its model starts from, beside the config.
        names: Its objectives.
        losses: Their raw losses, shape (n,).
        num_epochs: Epochs E on one GPU, or periods of a hook's `interval`;
            None if the config has no training.
    """

    config: str
    checkpoint: str | None
    names: list[str]
    losses: Tensor
    num_epochs: int | None


def dry_run(
    ensemble: PolicyEnsemble,
    beginning: Beginning,
    num_epochs: int,
    disagreement: float,
) -> dict[str, Any]:
    """Ask the policy for the weights that a training would start with.

    Args:
        ensemble: What was learned.
        beginning: Of the training.
        num_epochs: E.
        disagreement: See :func:`ensemble_warnings`.

    Returns:
        A JSON object; without weights where the policy does not fit.
    """
    names, losses = beginning.names, beginning.losses
    found = dict(
        config=beginning.config,
        checkpoint=beginning.checkpoint,
        batches=MAX_BATCHES,
        objectives=names,
        losses=[
            loss if known else None
            for loss, known in zip(
                losses.tolist(), measured(losses).tolist(), strict=True
            )
        ],
    )
    differences = name_warnings(ensemble.objectives, names)
    if differences:
        return dict(found, modes=None, warnings=differences)
    return dict(
        found,
        modes=modes(ensemble, losses, num_epochs),
        warnings=[
            *weight_warnings(ensemble, losses),
            *ensemble_warnings(ensemble, losses, disagreement),
        ],
    )


def measure_beginning(
    config: str | Path, checkpoint: str | None = None
) -> Beginning:
    """Measure the mean losses of a config's first batches, no step done.

    What the config would write goes to a temporary directory, and what it
    would print to the standard error.

    Args:
        config: Config file of a training.
        checkpoint: What the model starts from; None for what the config
            says.

    Raises:
        ValueError: If the config is not that of a training, or names
            objectives twice.
        ObjectiveError: If an objective has no loss in any batch.
    """
    cfg = read_training(config)
    wrapper = dict(cfg.optim_wrapper)
    interval = _interval(cfg)
    with first_batches(cfg, checkpoint, MAX_BATCHES, wrapper) as first:
        objectives = first.model.objective_weights.objectives
        meter = ObjectiveMeter(objectives)
        with torch.no_grad(), preserve_rng():
            for batch in first.loader.segment(0):
                meter.update(
                    raw_losses(first.model, first.optim_wrapper, batch)
                )
        return Beginning(
            str(config),
            checkpoint,
            list(objectives.names),
            meter.mean(),
            _count_epochs(cfg, interval, first.loader.epoch_length),
        )


def _interval(cfg: Config) -> int | None:
    """Return the iterations of a period of a policy's hook, as configured."""
    for hook in cfg.get('custom_hooks') or []:
        kind = hook.get('type')
        kind = HOOKS.get(kind) if isinstance(kind, str) else kind
        if isinstance(kind, type) and issubclass(kind, PolicyWeightingHook):
            return hook.get('interval')
    return None


def _count_epochs(
    cfg: Config, interval: int | None, epoch_length: int
) -> int | None:
    """Count the epochs of a training, as its hook does."""
    loop = cfg.get('train_cfg') or {}
    loop = loop.get('training', loop)
    iterations = loop.get('max_iters')
    if loop.get('max_epochs'):
        iterations = loop['max_epochs'] * epoch_length
    return iterations and -(-iterations // (interval or epoch_length))


def search_warnings(ensemble: PolicyEnsemble) -> list[str]:
    """Say so if the search behind a policy learned nothing."""
    reason = ensemble.nothing_learned
    if not reason:
        return []
    return [
        f'The search learned nothing: {reason}. A training with this policy '
        "has all weights 1, unless its hook has `fallback='policy'`; the "
        'weights here are those of the policy.'
    ]


def weight_warnings(ensemble: PolicyEnsemble, losses: Tensor) -> list[str]:
    """Say which weights of the last policy are at the floor or far apart.

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
    """Say for which objectives the saved policies disagree.

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
    """Say why a policy does not fit the objectives of a model."""
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
        f'{"; ".join(filter(None, parts))}. A training would reject it.'
    ]
