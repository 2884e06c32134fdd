"""The four ways to use a trained policy (Ada-Segment, Table 2)."""

from __future__ import annotations

from torch import Tensor

from mmada.controllers import PolicyEnsemble
from mmada.controllers.checks import check_losses
from mmada.weightings.base import Weighting


class PolicyWeighting(Weighting):
    """Base of the weightings that a policy ensemble gives.

    Args:
        ensemble: What a search has learned. Its ``initial_losses`` should be
            those of the run that is trained, if they were measured.
    """

    def __init__(self, ensemble: PolicyEnsemble) -> None:
        self.ensemble = ensemble


class FinalPolicyWeighting(PolicyWeighting):
    """Static: the weights of the search's last winner, lambda_best^T."""

    def weights(self, epoch: int, num_epochs: int, losses: Tensor) -> Tensor:
        """Return the same weights always; see :class:`Weighting`."""
        check_losses(losses, self.ensemble.num_objectives)
        return self.ensemble.best_weights.clone()


class PredictedPolicyWeighting(PolicyWeighting):
    """Static: what the last policy makes of l^1, pi^T(l^1) / l^1."""

    def weights(self, epoch: int, num_epochs: int, losses: Tensor) -> Tensor:
        """Return the same weights always; see :class:`Weighting`."""
        check_losses(losses, self.ensemble.num_objectives)
        return self.ensemble.last_weights(self.ensemble.initial_losses)


class SinglePolicyWeighting(PolicyWeighting):
    """Dynamic: the last policy alone, pi^T(l^e) / l^e."""

    def weights(self, epoch: int, num_epochs: int, losses: Tensor) -> Tensor:
        """Return weights for the last losses; see :class:`Weighting`."""
        return self.ensemble.last_weights(losses)


class CombinedPolicyWeighting(PolicyWeighting):
    """Dynamic: all policies, the nearest round in time first (Eq. 7)."""

    def weights(self, epoch: int, num_epochs: int, losses: Tensor) -> Tensor:
        """Return weights for the last losses; see :class:`Weighting`."""
        return self.ensemble.weights(epoch, num_epochs, losses)


POLICY_MODES: dict[str, type[PolicyWeighting]] = dict(
    final=FinalPolicyWeighting,
    pred=PredictedPolicyWeighting,
    single=SinglePolicyWeighting,
    comb=CombinedPolicyWeighting)
"""The paper's names of the modes."""
