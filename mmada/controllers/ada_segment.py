"""Ada-Segment: a policy over losses, learned from a population's metrics."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Generator, Tensor

from mmada.controllers.base import RoundResult, WeightController
from mmada.controllers.checks import (
    check_identity,
    check_int,
    check_losses,
    check_number,
    check_vector,
)
from mmada.controllers.ensemble import PolicyEnsemble
from mmada.controllers.learners import Experience, parameters_of
from mmada.controllers.policies import floored
from mmada.controllers.policy_kinds import build_policy
from mmada.controllers.presets import build_preset, preset_options
from mmada.controllers.rewards import select_best
from mmada.controllers.verdict import Verdict, judge

SMALLEST_SCALE = 1 / 16
"""How far failed rounds may shrink the exploration."""


class AdaSegment(WeightController):
    """Controller of Ada-Segment (arXiv 2012.03603).

    Args:
        num_objectives: Number n of losses that are weighted.
        num_rounds: Number T of rounds.
        num_replicas: Number m of replicas.
        preset: ``'stable'`` or the literal ``'paper'``. Defaults to
            ``'stable'``.
        seed: Seed of the policy's first values and of the exploration.
            Defaults to 0.
        **options: Options of the preset, see
            :mod:`mmada.controllers.presets`.

    Raises:
        ValueError: If the preset or an option is unknown, or a value is out
            of range.
    """

    def __init__(
        self,
        num_objectives: int,
        num_rounds: int,
        num_replicas: int,
        preset: str = 'stable',
        seed: int = 0,
        **options: Any,
    ) -> None:
        super().__init__(num_objectives, num_replicas, num_rounds)
        self._generator = Generator().manual_seed(check_int('seed', seed, 0))
        self._parts = build_preset(
            preset, num_objectives, self._generator, options
        )
        self._identity: dict[str, Any] = dict(
            controller=type(self).__name__,
            preset=preset,
            seed=seed,
            num_objectives=num_objectives,
            num_replicas=num_replicas,
            num_rounds=num_rounds,
            options=preset_options(preset) | options,
        )
        self._round = 0
        self._scale = 1.0
        self._silent = 0
        self._pending: dict[str, Tensor] = {}
        self._saved: list[dict[str, Tensor]] = []
        self._known: dict[str, Tensor] = {}

    def propose(self, losses: Tensor) -> Tensor:
        """Draw the weights of one round; see :class:`WeightController`.

        Raises:
            RuntimeError: If a round is still open, or all are done.
            ValueError: If the losses are negative or not finite.
        """
        if self._pending:
            raise RuntimeError(
                'propose() was called twice: observe() the '
                'metrics of the open round first.'
            )
        if self._round >= self.num_rounds:
            raise RuntimeError(f'All {self.num_rounds} rounds are done.')
        losses = floored(check_losses(losses, self.num_objectives))
        with torch.no_grad():
            mean = self._parts.policy(losses)
        actions = self._parts.exploration.sample(
            mean, self.num_replicas, self._scale, self._generator
        )
        weights = self._parts.policy.decode(actions)
        weights = weights.clamp(min=self._parts.floor)
        self._pending = dict(losses=losses, actions=actions, weights=weights)
        self._known.setdefault('initial_losses', losses)
        return weights.clone()

    def observe(self, metrics: Tensor, reference: float | None) -> RoundResult:
        """Reward the replicas and update the policy.

        The update is skipped, with a reason, if the metrics tell no
        replicas apart. After a round without any valid replica the learner
        may go back to an earlier policy, and the exploration shrinks.

        Raises:
            RuntimeError: If no round is open.
            ValueError: If ``metrics`` or ``reference`` is malformed.
        """
        if not self._pending:
            raise RuntimeError(
                'observe() needs an open round: propose() weights first.'
            )
        metrics = check_vector('metrics', metrics, self.num_replicas)
        if reference is not None:
            reference = check_number('reference', reference)
        verdict = self._judge(metrics, reference)
        info = dict(
            num_valid=float(verdict.valid.sum()),
            spread=verdict.spread,
            scale=self._scale,
        )
        if verdict.teaches:
            info |= self._learn(verdict)
        best = select_best(metrics)
        self._close(best, bool(verdict.valid.any()))
        return RoundResult(
            best,
            verdict.rewards,
            verdict.teaches,
            info,
            self._warning(verdict.reason),
        )

    def _judge(self, metrics: Tensor, reference: float | None) -> Verdict:
        parts = self._parts
        return judge(
            metrics,
            parts.exploration.legal(self._pending['actions']),
            reference,
            (self._round + 1) / self.num_rounds,
            parts.reward,
            parts.noise_floor,
        )

    def _warning(self, reason: str) -> str:
        self._silent = self._silent + 1 if reason else 0
        if self._silent < 2:
            return reason
        return (
            f'{reason}; nothing to learn from for {self._silent} rounds '
            'in a row: the search may be dead'
        )

    def _learn(self, verdict: Verdict) -> dict[str, float]:
        parts, pending = self._parts, self._pending
        return parts.learner.update(
            parts.policy,
            parts.exploration,
            Experience(
                losses=pending['losses'],
                actions=pending['actions'],
                rewards=verdict.rewards,
                scale=torch.tensor(self._scale, dtype=torch.float64),
                spread=torch.tensor(verdict.spread, dtype=torch.float64),
            ),
        )

    def _close(self, best: int, alive: bool) -> None:
        """Recover if the round was dead, then save pi^t.

        A round without a winner is not counted: it will be tried again.
        """
        parts = self._parts
        if alive:
            self._scale = min(1.0, self._scale / parts.shrink)
        else:
            self._scale = max(SMALLEST_SCALE, self._scale * parts.shrink)
            parts.learner.recover(parts.policy)
        pending, self._pending = self._pending, {}
        if best < 0:
            return
        self._known['best_weights'] = pending['weights'][best]
        self._saved.append(parameters_of(parts.policy))
        self._round += 1

    def ensemble(self) -> PolicyEnsemble:
        """Return the policies saved so far; see :class:`WeightController`.

        Raises:
            RuntimeError: If no round was won by a valid replica yet.
        """
        if 'best_weights' not in self._known:
            raise RuntimeError(
                'There is nothing to hand out before a round '
                'with a valid replica.'
            )
        policies = []
        for parameters in self._saved:
            policies.append(build_policy(self._parts.policy.spec()))
            policies[-1].load_state_dict(parameters)
            policies[-1].requires_grad_(False)
        return PolicyEnsemble(
            policies=tuple(policies),
            gamma=self._parts.gamma,
            floor=self._parts.floor,
            provenance=deepcopy(self._identity),
            initial_losses=self._known['initial_losses'],
            best_weights=self._known['best_weights'],
        )

    def state_dict(self) -> dict[str, Any]:
        """Return all that a resume needs; see :class:`WeightController`."""
        return deepcopy(
            dict(
                identity=self._identity,
                generator=self._generator.get_state(),
                policy=parameters_of(self._parts.policy),
                learner=self._parts.learner.state_dict(),
                round=self._round,
                scale=self._scale,
                silent=self._silent,
                pending=self._pending,
                saved=self._saved,
                known=self._known,
            )
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state of an equally built controller.

        Raises:
            ValueError: If the state is of another search, naming how.
        """
        check_identity(state['identity'], self._identity)
        state = deepcopy(state)
        self._generator.set_state(state['generator'])
        self._parts.policy.load_state_dict(state['policy'])
        self._parts.learner.load_state_dict(state['learner'])
        self._round = state['round']
        self._scale = state['scale']
        self._silent = state['silent']
        self._pending = state['pending']
        self._saved = state['saved']
        self._known = state['known']
