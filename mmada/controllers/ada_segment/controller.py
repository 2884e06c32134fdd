"""Ada-Segment: a policy over losses, learned from a population's metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mmada.controllers.ada_segment.learners import Experience, parameters_of
from mmada.controllers.ada_segment.presets import build_preset, preset_options
from mmada.controllers.base import (
    FirstReference,
    RoundResult,
)
from mmada.controllers.rewards import (
    RoundRewards,
    reward_round,
    select_best,
)
from mmada.controllers.rounds import WeightRounds
from mmada.policies.ensemble import PolicyEnsemble
from mmada.policies.policy import build_policy

SMALLEST_SCALE = 1 / 16
"""How far failed rounds may shrink the exploration."""

EARLIER_OPTIONS = dict(updates_per_round=1, first_reference='pseudo')
"""What a search did whose state is from before it had these options."""


class AdaSegment(WeightRounds):
    """Controller of Ada-Segment (arXiv 2012.03603).

    Args:
        num_objectives: Number n of losses that are weighted.
        num_rounds: Number T of rounds.
        num_replicas: Number m of replicas.
        preset: ``'stable'``, or ``'paper'``, which follows the text. Defaults
            to ``'stable'``.
        seed: Seed of the policy's first values and of the exploration.
            Defaults to 0.
        **options: Options of the preset, see
            :mod:`mmada.controllers.ada_segment.presets`.

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
        super().__init__(
            num_objectives,
            num_rounds,
            num_replicas,
            seed,
            preset_options(preset) | options,
            preset=preset,
        )
        self._options = options
        self._parts = build_preset(
            preset, num_objectives, self.generator, options
        )
        self._scale = 1.0
        self._uninformative = 0
        self._saved: list[dict[str, Tensor]] = []
        self._best_weights: Tensor | None = None

    @classmethod
    def more_options(cls, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Return those of the preset."""
        return tuple(preset_options(options.get('preset', 'stable')))

    @property
    def needs_losses(self) -> bool:
        """Whether the policy compares losses."""
        return self._parts.policy.needs_losses

    @property
    def first_reference(self) -> FirstReference:
        """What the preset compares the first round with."""
        return self._parts.first_reference

    def propose(self, losses: Tensor) -> Tensor:
        """Draw the weights of one round; see :class:`WeightController`.

        Raises:
            RuntimeError: If a round is still open, or all are done.
            ValueError: If a loss is negative and the policy compares them.
        """
        losses = self._checked_losses(losses)
        with torch.no_grad():
            mean = self._parts.policy(losses)
        actions = self._parts.exploration.sample(
            mean, self.num_replicas, self._scale, self.generator
        )
        weights = self._parts.policy.decode(actions)
        weights = weights.clamp(min=self._parts.floor)
        self._pending = dict(losses=losses, actions=actions, weights=weights)
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
        metrics, reference = self._check_open(metrics, reference)
        rewarded = self._reward(metrics, reference)
        info = dict(
            num_valid=float(rewarded.valid.sum()),
            spread=rewarded.spread,
            scale=self._scale,
        )
        if rewarded.informative:
            info |= self._learn(rewarded)
        best = select_best(metrics)
        self._close(best, bool(rewarded.valid.any()))
        return RoundResult(
            best,
            rewarded.rewards,
            rewarded.informative,
            info,
            self._warning(rewarded.reason),
        )

    def _reward(
        self, metrics: Tensor, reference: float | None
    ) -> RoundRewards:
        parts = self._parts
        return reward_round(
            metrics,
            parts.reward,
            valid_actions=parts.exploration.valid(self._pending['actions']),
            reference=reference,
            progress=(self.rounds_done + 1) / self.num_rounds,
            noise_floor=parts.noise_floor,
        )

    def _warning(self, reason: str) -> str:
        self._uninformative = self._uninformative + 1 if reason else 0
        if self._uninformative < 2:
            return reason
        return (
            f'{reason}; nothing to learn from for {self._uninformative} '
            'rounds in a row: the search may be dead'
        )

    def _learn(self, rewarded: RoundRewards) -> dict[str, float]:
        parts, pending = self._parts, self._pending
        return parts.learner.update(
            parts.policy,
            parts.exploration,
            Experience(
                losses=pending['losses'],
                actions=pending['actions'],
                rewards=rewarded.rewards,
                scale=torch.tensor(self._scale, dtype=torch.float64),
                spread=torch.tensor(rewarded.spread, dtype=torch.float64),
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
        self._best_weights = pending['weights'][best]
        self._saved.append(parameters_of(parts.policy))
        self.rounds_done += 1

    def ensemble(self) -> PolicyEnsemble:
        """Return the policies saved so far; see :class:`WeightController`.

        Raises:
            RuntimeError: If no round was won by a valid replica yet.
        """
        losses, provenance = self._provenance()
        assert self._best_weights is not None
        policies = []
        for parameters in self._saved:
            policies.append(build_policy(self._parts.policy.spec()))
            policies[-1].load_state_dict(parameters)
            policies[-1].requires_grad_(False)
        return PolicyEnsemble(
            policies=tuple(policies),
            gamma=self._parts.gamma,
            floor=self._parts.floor,
            provenance=provenance,
            initial_losses=losses,
            best_weights=self._best_weights.clone(),
        )

    def _adopt(self, identity: dict[str, Any]) -> None:
        ours, theirs = self._identity['options'], identity.get('options', {})
        absent = {
            name: value
            for name, value in EARLIER_OPTIONS.items()
            if name in ours.keys() - theirs.keys()
            and self._options.get(name, value) == value
        }
        if absent:
            for name in absent:
                del ours[name]
            self._parts = build_preset(
                self._identity['preset'],
                self.num_objectives,
                self.generator,
                self._options | absent,
            )

    def _memory(self) -> dict[str, Any]:
        return dict(
            policy=parameters_of(self._parts.policy),
            learner=self._parts.learner.state_dict(),
            scale=self._scale,
            silent=self._uninformative,
            saved=self._saved,
            best_weights=self._best_weights,
        )

    def _remember(self, memory: dict[str, Any]) -> None:
        self._parts.policy.load_state_dict(memory['policy'])
        self._parts.learner.load_state_dict(memory['learner'])
        self._scale = memory['scale']
        self._uninformative = memory['silent']
        self._saved = memory['saved']
        self._best_weights = memory['best_weights']
