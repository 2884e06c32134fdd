"""The policy of Auto Seg-Loss: a mean in (0, 1)^P that PPO moves.

Notation: S samples of P parameters, drawn from truncated normals.

The parameters of an action are drawn independently, so PPO clips a ratio for
each of them: one that has moved far enough stops alone and leaves the others
free.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Generator, Tensor

from mmada.controllers.auto_seg_loss.truncated_normal import (
    log_density,
    sample,
)
from mmada.utils.checks import check_choice, check_int, check_number

Baseline = Literal['mu', 'mean']


class MeanLearner:
    """Moves the means of truncated normals; their width stays.

    The mean is a sigmoid, mu = sigmoid(mu_x), so that no step takes it out
    of (0, 1). Adam's moments stay from round to round.

    Args:
        mean: First mean, in (0, 1), shape ``(P,)``.
        sigma: Standard deviation of the normals.
        lr: Adam's learning rate.
        updates: Adam steps of one update.
        clip: Clipping of the density ratio.

    Raises:
        ValueError: If a value is out of range.
    """

    def __init__(
        self,
        mean: Tensor,
        sigma: float,
        lr: float,
        updates: int,
        clip: float,
    ) -> None:
        self.sigma = check_number('sigma', sigma, 0, above=True)
        self.lr = check_number('lr', lr, 0)
        self.updates = check_int('updates', updates, 1)
        self.clip = check_number('clip', clip, 0, 1, above=True)
        self._logit = mean.logit().requires_grad_()
        self._optimizer = torch.optim.Adam([self._logit])

    @property
    def mean(self) -> Tensor:
        """The mean mu, shape ``(P,)``."""
        return self._logit.detach().sigmoid()

    def sample(self, count: int, generator: Generator) -> Tensor:
        """Draw actions around the present mean, shape ``(count, P)``."""
        return sample(self.mean, self.sigma, count, generator)

    def update(
        self, actions: Tensor, advantages: Tensor, share: float
    ) -> None:
        """Make actions of a positive advantage more likely.

        Args:
            actions: Samples drawn around the present mean, ``(S, P)``.
            advantages: Of each sample, shape ``(S,)``.
            share: Share of the learning rate to go with.
        """
        self._optimizer.param_groups[0]['lr'] = share * self.lr
        old = log_density(actions, self.mean, self.sigma)
        for _ in range(self.updates):
            new = log_density(actions, self._logit.sigmoid(), self.sigma)
            loss = per_parameter_loss(new, old, advantages, self.clip)
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """Return mu_x and Adam's state."""
        return dict(
            logit=self._logit.detach(), optimizer=self._optimizer.state_dict()
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state made by :meth:`state_dict`."""
        with torch.no_grad():
            self._logit.copy_(state['logit'])
        self._optimizer.load_state_dict(state['optimizer'])


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
        check_choice('baseline', baseline, get_args(Baseline))
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


def clipped_ratio_loss(
    log_probs: Tensor, old_log_probs: Tensor, rewards: Tensor, clip: float
) -> Tensor:
    """Return minus PPO's clipped objective (arXiv 1707.06347, Eq. 7).

    A sample stops pulling once the policy has made it ``1 + clip`` times as
    likely (or ``1 - clip``, if its reward is negative) as it was when drawn.

    Args:
        log_probs: Log-density of each sample under the policy.
        old_log_probs: The same under the policy that drew it.
        rewards: Reward of each sample, constant for autograd.
        clip: Half-width of the range of free movement.

    Returns:
        ``-mean(min(q r, clip(q, 1 - clip, 1 + clip) r))`` with the ratio q
        of densities, a scalar to minimise.
    """
    rewards = rewards.detach()
    ratios = (log_probs - old_log_probs.detach()).exp()
    bounded = ratios.clamp(1 - clip, 1 + clip)
    return -(ratios * rewards).minimum(bounded * rewards).mean()
