"""The four ways to use a trained policy (Ada-Segment, Table 2)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from mmada.policies import PolicyEnsemble
from mmada.weightings.base import Weighting


class PolicyWeighting(Weighting):
    """Base of the weightings that a policy ensemble gives.

    Args:
        ensemble: What a search has learned, the l^1 of the run that is to
            be trained in place of its own if that was measured.
    """

    def __init__(self, ensemble: PolicyEnsemble) -> None:
        self.ensemble = ensemble

    def state_dict(self) -> dict[str, Any]:
        """Return l^1, which a resumed run does not measure again."""
        return dict(initial_losses=self.ensemble.initial_losses.clone())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the l^1 of a training run."""
        self.ensemble = self.ensemble.with_initial_losses(
            state['initial_losses']
        )


class FinalPolicyWeighting(PolicyWeighting):
    """Static: the weights of the search's last winner, lambda_best^T."""

    needs_losses = False

    def weights(self, epoch: int, num_epochs: int, losses: Tensor) -> Tensor:
        """Return the same weights always; see :class:`Weighting`."""
        return self.ensemble.best_weights.clone()


class PredictedPolicyWeighting(PolicyWeighting):
    """Static: what the last policy makes of l^1, pi^T(l^1) / l^1."""

    def weights(self, epoch: int, num_epochs: int, losses: Tensor) -> Tensor:
        """Return the same weights always; see :class:`Weighting`."""
        return self.ensemble.last_weights(self.ensemble.initial_losses)


class DynamicPolicyWeighting(PolicyWeighting):
    """Base of those that look at the losses of every epoch."""

    def __init__(self, ensemble: PolicyEnsemble) -> None:
        super().__init__(ensemble)
        self.compares_losses = ensemble.needs_losses


class SinglePolicyWeighting(DynamicPolicyWeighting):
    """Dynamic: the last policy alone, pi^T(l^e) / l^e."""

    def weights(self, epoch: int, num_epochs: int, losses: Tensor) -> Tensor:
        """Return weights for the last losses; see :class:`Weighting`."""
        self.check_losses(losses)
        return self.ensemble.last_weights(losses)


class CombinedPolicyWeighting(DynamicPolicyWeighting):
    """Dynamic: all policies, the nearest round in time first (Eq. 7)."""

    def weights(self, epoch: int, num_epochs: int, losses: Tensor) -> Tensor:
        """Return weights for the last losses; see :class:`Weighting`."""
        self.check_losses(losses)
        return self.ensemble.weights(epoch, num_epochs, losses)


POLICY_MODES: dict[str, type[PolicyWeighting]] = dict(
    final=FinalPolicyWeighting,
    pred=PredictedPolicyWeighting,
    single=SinglePolicyWeighting,
    comb=CombinedPolicyWeighting,
)
"""The paper's names of the modes."""
