"""The weights that a policy gives, tabulated."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmada.controllers import PolicyEnsemble
from mmada.engine.policies.policy_codec import SCHEMA as FILE_SCHEMA
from mmada.engine.policies.policy_outlook.warnings import (
    ensemble_warnings,
    weight_warnings,
)
from mmada.policies.policy_file import load_policy
from mmada.utils.files import sha256
from mmada.weightings import POLICY_MODES

SCHEMA = 1
"""Version of the layout of `outlook`; raise it when it changes."""
FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""What a loss is multiplied by in the grid."""


def outlook(
    path: str | Path, num_epochs: int, disagreement: float
) -> tuple[PolicyEnsemble, dict[str, Any]]:
    """Reads a policy file and tells what it would do.

    Args:
        path: The file.
        num_epochs: E, epochs of the training to look ahead to.
        disagreement: Ratio between two members of the ensemble from which
            on they are said to disagree.

    Returns:
        What the file holds, and a JSON object: docs/live.md has its layout.

    Raises:
        OSError: If the file cannot be read.
        PolicyFileError: If it is no usable policy.
    """
    path = Path(path)
    ensemble = load_policy(path)
    losses = ensemble.initial_losses
    report = dict(
        schema=SCHEMA,
        file=_file(path),
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
            *weight_warnings(ensemble, losses),
            *ensemble_warnings(ensemble, losses, disagreement),
        ],
        dry_run=None,
    )
    return ensemble, report


def grid(ensemble: PolicyEnsemble) -> dict[str, Any]:
    """Returns what becomes of all weights when one loss changes.

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
    """Returns the weights of the first epoch in each mode.

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
    """Returns how likely a sample with a negative weight was, by round.

    Returns:
        `sigma` as the provenance has it, and `probability`, a number for
        each saved policy; both null where the provenance has no sigma.
    """
    options = ensemble.provenance.get('options')
    sigma = options.get('sigma') if isinstance(options, dict) else None
    known = isinstance(sigma, int | float) and 0 < sigma < math.inf
    if not known:
        return dict(sigma=None, probability=None)
    assert sigma is not None
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
        schema=FILE_SCHEMA,
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
