"""PPO with a ratio for each parameter of an action, and its advantages.

Notation: S samples of P parameters. The parameters of an action are drawn
independently, so each may be clipped for itself: one that has moved far
enough stops alone and leaves the others free.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from mmada.controllers.updates import clipped_ratio_loss
from mmada.utils.checks import check_number

Baseline = Literal['mu', 'mean']


class Advantage:
    """Compares the samples of a round with a baseline.

    The differences are not divided by their spread.

    Args:
        baseline: ``'mu'`` for the first sample; if that is not valid, or for
            ``'mean'``, the average of the valid ones.
        scale: Factor that makes a reward of a metric.

    Raises:
        ValueError: If the baseline is unknown or the scale not positive.
    """

    def __init__(self, baseline: Baseline, scale: float) -> None:
        if baseline not in ('mu', 'mean'):
            raise ValueError(
                f"`baseline` should be 'mu' or 'mean'. Found {baseline!r}."
            )
        self.of_first = baseline == 'mu'
        self.scale = check_number('reward_scale', scale, 0, above=True)

    def __call__(
        self,
        metrics: Tensor,
        valid: Tensor,
        reference: float | None,
        progress: float,
    ) -> Tensor:
        """Return ``scale (metric - baseline)``, 0 where not valid, ``(S,)``.

        Args:
            metrics: Metric of each sample, shape ``(S,)``.
            valid: Which samples count, shape ``(S,)``.
            reference: Unused.
            progress: Unused.
        """
        first = self.of_first and bool(valid[0])
        level = metrics[0] if first else metrics[valid].mean()
        differences = self.scale * (metrics - level)
        return differences.where(valid, torch.zeros_like(metrics))


def per_parameter_loss(
    log_densities: Tensor,
    old_log_densities: Tensor,
    advantages: Tensor,
    clip: float,
) -> Tensor:
    """Return minus PPO's clipped objective with a ratio per parameter.

    Args:
        log_densities: Of the samples under the policy, shape ``(S, P)``.
        old_log_densities: Under the policy that drew them, ``(S, P)``.
        advantages: Of each sample, shape ``(S,)``.
        clip: Half-width of the range of free movement.

    Returns:
        Mean over samples of the sum over parameters, a scalar to minimise.
    """
    mean = clipped_ratio_loss(
        log_densities, old_log_densities, advantages.unsqueeze(-1), clip
    )
    return log_densities.shape[-1] * mean
