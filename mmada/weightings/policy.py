"""The four ways to use a trained policy (Ada-Segment, Table 2)."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from mmada.controllers import PolicyEnsemble
from mmada.controllers.checks import check_losses
from mmada.weightings.base import Weighting


class PolicyWeighting(Weighting):
    """Base of the weightings that a policy ensemble gives.

    Args:
        ensemble: What a search has learned.
    """

    def __init__(self, ensemble: PolicyEnsemble) -> None:
        self.ensemble = ensemble


class FinalPolicyWeighting(PolicyWeighting):
    """Static: the weights of the search's last winner, lambda_best^T."""

    needs_losses = False

    def weights(self, epoch: int, num_epochs: int, losses: Tensor) -> Tensor:
        """Return the same weights always; see :class:`Weighting`."""
        return self.ensemble.best_weights.clone()


class PredictedPolicyWeighting(PolicyWeighting):
    """Static: what the last policy makes of l^1, pi^T(l^1) / l^1.

    The losses given for the first epoch are l^1; until they are, the
    search's own stand in for them.
    """

    def __init__(self, ensemble: PolicyEnsemble) -> None:
        super().__init__(ensemble)
        self._initial_losses = ensemble.initial_losses

    def weights(self, epoch: int, num_epochs: int, losses: Tensor) -> Tensor:
        """Return the same weights always; see :class:`Weighting`."""
        if epoch == 1:
            self._initial_losses = check_losses(losses,
                                                self.ensemble.num_objectives)
        return self.ensemble.last_weights(self._initial_losses)

    def state_dict(self) -> dict[str, Any]:
        """Return l^1."""
        return dict(initial_losses=self._initial_losses.clone())

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over l^1 of the run that is resumed."""
        self._initial_losses = check_losses(state['initial_losses'],
                                            self.ensemble.num_objectives)


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
