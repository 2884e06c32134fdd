"""Auto Seg-Loss: searches the shape of a surrogate loss with PPO."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor

from mmada.controllers.auto_seg_loss.finalists import Finalists
from mmada.controllers.auto_seg_loss.ppo import (
    Advantage,
    Baseline,
    MeanLearner,
)
from mmada.controllers.base import ActionController, RoundResult, Start
from mmada.controllers.best_action import BestAction
from mmada.controllers.rewards import (
    RoundRewards,
    metrics_differ,
    reward_round,
    select_best,
    standardised_reward,
)
from mmada.controllers.rounds import Rounds
from mmada.utils.checks import (
    check_bool,
    check_choice,
    check_int,
    check_numbers,
)

RELEASED_REPLICAS = 32
"""Actions in a round of the released searches."""


class AutoSegLossSearch(Rounds, ActionController):
    """Controller of Auto Seg-Loss (arXiv 2010.07930).

    An action is a vector in [0, 1]^P. Every replica of every round starts
    from one initial state: a round says how good an action is, not how good a
    state.

    A replica without a finite metric is left out of the update. If it is the
    one that the others are compared with, they are compared with their
    average instead.

    The best of many noisy trainings is the luckiest, too. So the last round
    trains the best S actions once more, and what is found is the one whose two
    metrics have the largest mean. The releases leave that out.

    Args:
        action_size: Numbers P in an action.
        num_rounds: Number T of rounds.
        num_replicas: Number S of actions in a round, at least 2.
        initial: First mean, P numbers in (0, 1), such as the action that
            stands for the unchanged loss; None for one half each. Defaults
            to None.
        sigma: Standard deviation before truncation, never trained. Defaults
            to 0.2.
        lr: Adam's learning rate. Defaults to 0.2.
        updates: Adam steps a round. Defaults to 60.
        clip: Clipping of the density ratio. Defaults to 0.2.
        baseline: What advantages are taken from. ``'mu'``: the first action
            of a round is the mean itself and its metric the baseline;
            ``'mean'``: all actions are drawn and their average metric is the
            baseline. None for ``'mu'``, as released, from 32 replicas on,
            and for ``'mean'`` with fewer, where the chance of the one
            training at the mean would move it away from all actions.
            Defaults to None.
        seed: Seed of the samples. Defaults to 0.
        reward_scale: Factor from metric to reward. The method's reward is a
            fraction: 0.01 for metrics in percent, 1 for metrics in [0, 1].
            Adam divides the size of gradients out again, so the choice shows
            only where a gradient is as small as Adam's epsilon, 1e-8.
            Defaults to 0.01.
        lr_decay: ``'constant'``, or ``'linear'`` for ``lr (1 - t / (T + 1))``
            in round t = 0, 1, ... Defaults to ``'constant'``.
        retrain: Whether the last of several rounds trains the best actions
            once more. None for True, but for a search that began before there
            was this option. Defaults to None.

    Raises:
        ValueError: If a value is out of range.
    """

    start = Start.INITIAL
    _state_keys = (
        'identity',
        'generator',
        'learner',
        'best',
        'round',
        'pending',
    )

    def __init__(
        self,
        action_size: int,
        num_rounds: int,
        num_replicas: int,
        initial: Sequence[float] | None = None,
        sigma: float = 0.2,
        lr: float = 0.2,
        updates: int = 60,
        clip: float = 0.2,
        baseline: Baseline | None = None,
        seed: int = 0,
        reward_scale: float = 0.01,
        lr_decay: Literal['constant', 'linear'] = 'constant',
        retrain: bool | None = None,
    ) -> None:
        check_int('num_replicas', num_replicas, 2)
        self._baseline_given = baseline is not None
        self._retrain_given = retrain is not None
        retrain = check_bool('retrain', True if retrain is None else retrain)
        if baseline is None:
            baseline = 'mu' if num_replicas >= RELEASED_REPLICAS else 'mean'
        check_choice('lr_decay', lr_decay, ('constant', 'linear'))
        if initial is not None:
            initial = check_numbers(
                'initial', initial, action_size, 0, 1, exclusive=True
            ).tolist()
        super().__init__(
            action_size,
            num_rounds,
            num_replicas,
            seed,
            dict(
                controller=type(self).__name__,
                action_size=action_size,
                num_rounds=num_rounds,
                num_replicas=num_replicas,
                initial=initial,
                sigma=sigma,
                lr=lr,
                updates=updates,
                clip=clip,
                baseline=baseline,
                seed=seed,
                reward_scale=reward_scale,
                lr_decay=lr_decay,
                retrain=retrain,
            ),
        )
        self._linear_decay = lr_decay == 'linear'
        mean = torch.tensor(
            initial or [0.5] * action_size, dtype=torch.float64
        )
        self._learner = MeanLearner(mean, sigma, lr, updates, clip)
        self._advantage = Advantage(baseline, reward_scale)
        self._reward_scale = reward_scale
        self._best = BestAction()
        self._retrain = retrain
        self._finalists = Finalists(num_replicas, action_size)

    @property
    def mean_action(self) -> Tensor:
        """The mean mu of the policy, shape ``(P,)``."""
        return self._learner.mean

    @property
    def best_action(self) -> Tensor:
        """The action with the largest metric so far, the first on a tie.

        After the last round that with the largest mean of two metrics, if
        the best ones were trained again.

        Raises:
            RuntimeError: Before a round with a valid replica.
        """
        return self._best.action

    @property
    def best_metric(self) -> float:
        """The metric of :attr:`best_action`; raises as that does."""
        return self._best.metric

    @property
    def found_action(self) -> Tensor:
        """The best action; raises as that does.

        Not the mean: with few replicas a round it wanders far from what
        scored well, and so does the best of the means.
        """
        return self.best_action

    def propose(self, losses: Tensor) -> Tensor:
        """Draw the actions of one round; ``losses`` play no part.

        Raises:
            RuntimeError: If a round is still open, or all are done.
        """
        self._check_closed()
        self._pending = (
            self._finalists.actions if self._is_final else self._drawn()
        )
        return self._pending.clone()

    def _drawn(self) -> Tensor:
        count = self.num_replicas - self._advantage.of_first
        actions = self._learner.sample(count, self.generator)
        if self._advantage.of_first:
            actions = torch.cat([self.mean_action.unsqueeze(0), actions])
        return actions

    @property
    def _is_final(self) -> bool:
        last = self.rounds_done == self.num_rounds - 1
        return self._retrain and last and len(self._finalists) > 0

    def observe(self, metrics: Tensor, reference: float | None) -> RoundResult:
        """Move the mean; ``reference`` plays no part.

        The update is skipped, with a reason, if the metrics tell no replicas
        apart. A round without any valid replica is not counted.

        Raises:
            RuntimeError: If no round is open.
            ValueError: If ``metrics`` or ``reference`` is malformed.
        """
        metrics, _ = self._check_open(metrics, reference)
        if self._is_final:
            return self._decide(metrics)
        rewarded = reward_round(metrics, self._advantage)
        before = self.mean_action
        if rewarded.informative:
            self._learn(self._pending, rewarded)
        best = select_best(metrics)
        if best >= 0:
            self._best.note(self._pending[best], metrics[best])
            if self._retrain:
                self._finalists.note(self._pending, metrics)
            self.rounds_done += 1
        self._pending = None
        return RoundResult(
            best,
            rewarded.rewards,
            rewarded.informative,
            dict(
                num_valid=float(rewarded.valid.sum()),
                baseline_valid=float(self._has_baseline(rewarded)),
                spread=rewarded.spread,
                moved=float((self.mean_action - before).abs().max()),
            ),
            rewarded.reason,
        )

    def learned(self, updated: Sequence[bool], metrics: Tensor) -> bool:
        """Return whether any two trainings scored differently."""
        return metrics_differ(metrics)

    def _decide(self, metrics: Tensor) -> RoundResult:
        """Take the best of the actions that were trained twice."""
        rewarded = reward_round(metrics, standardised_reward)
        found = self._finalists.best(metrics)
        if found is not None:
            self._best = BestAction()
            self._best.note(*found)
            self.rounds_done += 1
        self._pending = None
        info = dict(
            num_valid=float(rewarded.valid.sum()),
            spread=rewarded.spread,
            moved=0.0,
        )
        return RoundResult(
            select_best(metrics),
            rewarded.rewards,
            rewarded.informative,
            info,
            rewarded.reason,
        )

    def _has_baseline(self, rewarded: RoundRewards) -> bool:
        return not self._advantage.of_first or bool(rewarded.valid[0])

    def _learn(self, actions: Tensor, rewarded: RoundRewards) -> None:
        done = self.rounds_done / (self.num_rounds + 1)
        share = 1 - done if self._linear_decay else 1.0
        valid = rewarded.valid
        self._learner.update(actions[valid], rewarded.rewards[valid], share)

    def _adopt(self, identity: dict[str, Any]) -> None:
        baseline = identity.get('baseline')
        if baseline is not None and not self._baseline_given:
            self._identity['baseline'] = baseline
            self._advantage = Advantage(baseline, self._reward_scale)
        if 'retrain' not in identity and not self._retrain_given:
            self._identity.pop('retrain', None)  # there was no such round
            self._retrain = False

    def _state(self) -> dict[str, Any]:
        best: dict[str, Any] = self._best.state_dict()
        if self._retrain:
            best['finalists'] = self._finalists.state_dict()
        return super()._state() | dict(
            learner=self._learner.state_dict(), best=best
        )

    def _resume(self, state: dict[str, Any]) -> None:
        super()._resume(state)
        self._learner.load_state_dict(state['learner'])
        best = dict(state['best'])
        if self._retrain:
            self._finalists.load_state_dict(best.pop('finalists'))
        self._best.load_state_dict(best)
