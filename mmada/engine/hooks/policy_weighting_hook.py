"""Uses a policy file in an ordinary training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.registry import HOOKS
from torch import Tensor

from mmada.engine.hooks.loss_weighting_hook import LossWeightingHook
from mmada.models.objectives import ObjectiveSpec
from mmada.policies.policy_file import load_policy, policy_digest
from mmada.utils.checks import check_choice
from mmada.utils.run_files import POLICY_FILE
from mmada.weightings import POLICY_MODES, StaticWeighting, Weighting

FALLBACKS = ('ones', 'policy')
INITIAL_LOSSES = ('stored', 'probe')


@HOOKS.register_module()
class PolicyWeightingHook(LossWeightingHook):
    """Adapts the loss weights with a policy that an exploration found.

    A policy whose search learned nothing is not used unless that is asked
    for: the training then has all weights 1.

    Args:
        policy: The policy file; None for the one that an exploration in this
            run's work directory wrote.
        mode: 'final', 'pred', 'single' or 'comb' (Table 2 of the paper).
        initial_losses: Where l^1 comes from: 'stored' in the policy file, or
            'probe', a pseudo epoch of this run. Probe for another model or
            data set.
        interval: Iterations of a period; None for an epoch.
        probe_iters: Iterations of the pseudo epoch; None for a period.
        objectives: As in :class:`WeightingHook`, those of the policy.
        fallback: What to train with where the search learned nothing:
            'ones', or the 'policy' all the same.
    """

    def __init__(
        self,
        policy: str | None = None,
        mode: str = 'comb',
        initial_losses: str = 'stored',
        interval: int | None = None,
        probe_iters: int | None = None,
        objectives: ObjectiveSpec | None = None,
        fallback: str = 'ones',
    ) -> None:
        super().__init__({}, interval, probe_iters, objectives)
        check_choice('fallback', fallback, FALLBACKS)
        check_choice('mode', mode, POLICY_MODES)
        check_choice('initial_losses', initial_losses, INITIAL_LOSSES)
        self._policy = policy
        self._mode = mode
        self._probe = initial_losses == 'probe'
        self._fallback = fallback

    def policy_path(self, runner: Any) -> Path:
        """Return the policy file that the training uses."""
        if self._policy is None:
            return Path(runner.work_dir) / POLICY_FILE
        return Path(self._policy)

    def build_weighting(self, runner: Any) -> Weighting:
        """Load the policy, whose objectives must be the model's."""
        path = self.policy_path(runner)
        if not path.is_file():
            raise FileNotFoundError(
                '`policy` of PolicyWeightingHook should be a policy file, or '
                'None for that of a search in the work directory. Found no '
                f'file {str(path)!r}.'
            )
        ensemble = load_policy(path, self.weights.objectives.names)
        self._initial_losses = ensemble.initial_losses
        self._digest = policy_digest(ensemble)
        weighting: Weighting = POLICY_MODES[self._mode](ensemble)
        if ensemble.nothing_learned and self._fallback == 'ones':
            runner.logger.warning(
                'The training has all weights 1, since the search behind its '
                f'policy learned nothing: {ensemble.nothing_learned}. To use '
                "what it left all the same, set `fallback='policy'` in the "
                'PolicyWeightingHook.'
            )
            weighting = StaticWeighting([1.0] * ensemble.num_objectives)
        weighting.begin(ensemble.objectives)
        return weighting

    def initial_losses(self, runner: Any) -> Tensor:
        """Return l^1, stored in the policy file or probed."""
        if not self._probe:
            return self._initial_losses
        losses = super().initial_losses(runner)
        assert self.weighting is not None
        self.weighting.load_state_dict(dict(initial_losses=losses))
        return losses

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs, and which policy this is."""
        return dict(policy=self._digest, **super().state_dict())

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on within a period, by the same policy.

        Raises:
            ValueError: If the file holds another one by now.
        """
        super().load_state_dict(state)
        # Absent in the checkpoints of early versions.
        if state.get('policy', self._digest) != self._digest:
            raise ValueError(
                '`policy` of PolicyWeightingHook should be the policy with '
                'which the training began. Found a file that holds another '
                'one by now. Put the file back, or start the training anew; '
                '`load_from` takes over the weights of the checkpoint.'
            )
