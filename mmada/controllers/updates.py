"""Losses whose gradient step improves a policy.

Notation: tensors have any shape; rewards broadcast to that of densities.
"""

from __future__ import annotations

from torch import Tensor


def reinforce_loss(log_probs: Tensor, rewards: Tensor) -> Tensor:
    """Return minus the REINFORCE objective (Ada-Segment, Eq. 6).

    Args:
        log_probs: Log-density of each sample under the policy.
        rewards: Reward of each sample, constant for autograd.

    Returns:
        ``-mean_j(r_j log s_j)``, a scalar to minimise.
    """
    return -(rewards.detach() * log_probs).mean()


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
