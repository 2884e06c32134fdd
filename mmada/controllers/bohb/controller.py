"""BOHB: Hyperband's brackets, whose candidates a model proposes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from mmada.controllers.base import Plan, Rest, RoundResult, Start
from mmada.controllers.bohb.hyperband import Candidate, Hyperband
from mmada.controllers.bohb.optuna_study import mirror, require_optuna, suggest
from mmada.controllers.rewards import RoundRewards, metrics_differ
from mmada.controllers.rounds import NOTHING_FOUND
from mmada.controllers.weight_search import InitialWeights, WeightSearch
from mmada.policies.ensemble import WEIGHT_FLOOR, PolicyEnsemble
from mmada.policies.policy import ConstantPolicy
from mmada.utils.checks import (
    check_int,
    check_number,
    check_numbers,
    check_vector,
)


class BohbSearch(WeightSearch):
    """Static weights by BOHB (arXiv 1807.01774), through Optuna.

    A round is a slice of several trainings: give the loop as many iterations
    a round as the smallest part of a training after which candidates may be
    compared. Poor candidates are stopped early and cost no more.

    TPE models the metrics at the largest age of which there are more than
    k + 2, as in the paper; a part of the candidates is random, so that
    Hyperband's guarantee holds. The record of a round has `candidates` and
    `by_model`, how many of them the model proposed: where these are few, this
    is random search with early stops. What is sampled is a factor on each
    initial weight, or on those of a group; weights are divided by their mean.

    A new candidate starts only if a whole training fits into the rounds left
    (in a search that is shorter, only with the first); then the search ends
    as soon as the last one does.

    Args:
        num_objectives: Number n of losses that are weighted.
        num_rounds: Number T of rounds.
        num_replicas: Number m of trainings at a time.
        rounds_per_training: Rounds R of a whole training.
        reduction_factor: Eta; a part 1 / eta of a bracket goes on at each
            rung. Defaults to 3.
        spread: Factors are sampled from [1 / spread, spread]. Defaults to
            10.
        random_fraction: Part of the candidates that is random. Defaults to
            1/3.
        start: Factors of the first candidates, rows of k; None for one of
            ones. Defaults to None.
        seed: Seed of the samples. Defaults to 0.
        storage: URL of an Optuna storage that finished candidates are copied
            to, to be looked at with Optuna's tools; never read for the
            search. Defaults to None.
        study: Name of the study there. Defaults to 'bohb'.
        initial: Weights that the factors are on; ``'inverse_loss'`` for
            inverse-loss weighting of l^1, None for all ones. Defaults to
            None.
        groups: Indices of the objectives of each of the k groups that shares a
            factor. Defaults to one group for each objective.

    Raises:
        ImportError: If Optuna is not installed.
        ValueError: If a value is out of range.
    """

    start = Start.OWN

    def __init__(
        self,
        num_objectives: int,
        num_rounds: int,
        num_replicas: int,
        rounds_per_training: int,
        reduction_factor: int = 3,
        spread: float = 10.0,
        random_fraction: float = 1 / 3,
        start: Sequence[Sequence[float]] | None = None,
        seed: int = 0,
        storage: str | None = None,
        study: str = 'bohb',
        initial: InitialWeights = None,
        groups: Sequence[Sequence[int]] | None = None,
    ) -> None:
        require_optuna()
        self._whole = check_int('rounds_per_training', rounds_per_training, 1)
        factor = check_int('reduction_factor', reduction_factor, 2)
        try:
            first = None if start is None else [list(p) for p in start]
        except TypeError:
            raise ValueError(
                '`start` should be rows of numbers, a factor for each group '
                f'or objective. Found {start!r}.'
            ) from None
        super().__init__(
            num_objectives,
            num_rounds,
            num_replicas,
            seed,
            dict(
                rounds_per_training=rounds_per_training,
                reduction_factor=reduction_factor,
                spread=spread,
                random_fraction=random_fraction,
                start=first,
            ),
            initial,
            groups,
        )
        self._points = CandidatePoints(
            self.num_groups, start, spread, random_fraction, self.generator
        )
        self._hyperband = Hyperband(num_replicas, self._whole, factor)
        self._plan: Plan = ()
        self._mirrored = storage, study

    @classmethod
    def training_rounds(
        cls, num_rounds: int, options: Mapping[str, Any]
    ) -> int:
        """Return R."""
        rounds = options.get('rounds_per_training')
        return check_int('rounds_per_training', rounds, 1)

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """All candidates so far, in the order of their start."""
        return tuple(self._hyperband.candidates)

    @property
    def finished(self) -> bool:
        """Whether no candidate is open, and none will be started."""
        return not (self._may_start or self._hyperband.occupants)

    @property
    def _may_start(self) -> bool:
        fits = self.num_rounds - self.rounds_done >= self._whole
        return fits or self._hyperband.best is None

    def plan(self) -> Plan:
        """Return what each replica does; see :class:`Controller`."""
        return self._plan

    def draw(self) -> Tensor:
        """Fill the free slots; one that stays free has weights of 1."""
        if self.finished:
            raise RuntimeError(
                f'The search is over after {self.rounds_done} rounds.'
            )
        if not self._hyperband.candidates:
            self._mirror()  # an unusable storage ends the search here
        if self._may_start:
            for slot in self._hyperband.free:
                self._hyperband.start(
                    slot, *self._points.next(self._hyperband)
                )
        self._plan = self._hyperband.plan()
        drawn = torch.ones(
            self.num_replicas, self.num_objectives, dtype=torch.float64
        )
        for slot, candidate in self._hyperband.occupants.items():
            drawn[slot] = self._weights(candidate)
        return drawn

    def _weights(self, candidate: Candidate) -> Tensor:
        factors = torch.tensor(candidate.point, dtype=torch.float64)
        return mean_one(self.initial * self.expand(factors))

    def observe(self, metrics: Tensor, reference: float | None) -> RoundResult:
        """Take the metrics of those that trained, and stop the poor ones.

        Raises:
            RuntimeError: If no round is open.
            ValueError: If ``metrics`` or ``reference`` is malformed.
        """
        rests = torch.tensor([isinstance(e, Rest) for e in self._plan])
        if self._open:
            metrics = check_vector('metrics', metrics, self.num_replicas)
            metrics[rests] = math.nan
        result = super().observe(metrics, reference)
        trained = (~rests).nonzero().flatten().tolist()
        found = {k: float(metrics[k]) for k in trained}
        self._hyperband.note(
            {k: v if math.isfinite(v) else None for k, v in found.items()}
        )
        self._hyperband.compare(last=not self._may_start)
        self._mirror()
        reason = (
            '' if len(trained) == 1 and result.best >= 0 else result.reason
        )
        rewards = result.rewards.masked_fill(rests, 0.0)
        return result._replace(
            rewards=rewards,
            reason=reason,
            info=result.info | self._proposals(),
        )

    def _proposals(self) -> dict[str, float]:
        """Count the candidates so far, and those that a model proposed."""
        modelled = [c.modelled for c in self._hyperband.candidates]
        if None in modelled:  # begun by an earlier version
            return {}
        return dict(
            candidates=float(len(modelled)),
            by_model=float(modelled.count(True)),
        )

    def learn(self, drawn: Tensor, rewarded: RoundRewards) -> None:
        """Do nothing: it learns from metrics of one age, not one round."""

    def keep(self, weights: Tensor, metric: Tensor) -> None:
        """Do nothing: the candidates keep their metrics."""

    def learned(self, updated: Sequence[bool], metrics: Tensor) -> bool:
        """Return whether any two metrics differ, of any age."""
        return metrics_differ(metrics)

    def _mirror(self) -> None:
        url, name = self._mirrored
        over = self.rounds_done >= self.num_rounds
        done = [c for c in self._hyperband.candidates if over or not c.open]
        if url is not None and (done or not self._hyperband.candidates):
            spread = self._points.spread
            mirror(url, name, self._identity, done, self._whole, spread)

    def ensemble(self) -> PolicyEnsemble:
        """Return the weights that scored best at the largest age.

        Raises:
            RuntimeError: If no round was won by a valid replica yet.
        """
        best = self._hyperband.best
        if best is None:
            raise RuntimeError(NOTHING_FOUND)
        weights = self._weights(best)
        return self._ensemble_of(ConstantPolicy.of(weights), weights)

    def _memory(self) -> dict[str, Any]:
        return dict(
            race=self._hyperband.state_dict(),
            plan=[(type(e).__name__, e.name) for e in self._plan],
        )

    def _remember(self, memory: dict[str, Any]) -> None:
        self._hyperband.load_state_dict(memory['race'])
        kinds: dict[str, type[Start] | type[Rest]] = dict(
            Start=Start, Rest=Rest
        )
        self._plan = tuple(kinds[kind][name] for kind, name in memory['plan'])


class CandidatePoints:
    """Gives the listed points first, then samples.

    Args:
        size: Numbers n of a point.
        first: The first points; None for all ones.
        spread: Samples are in [1 / spread, spread].
        random_fraction: Part of the samples that no model has a say in.
        generator: Random stream of the samples.

    Raises:
        ValueError: If a value is out of range.
    """

    def __init__(
        self,
        size: int,
        first: Sequence[Sequence[float]] | None,
        spread: float,
        random_fraction: float,
        generator: Generator,
    ) -> None:
        self.size = size
        self.spread = check_number(
            'spread', spread, 1, WEIGHT_FLOOR**-0.5, above=True
        )
        self._random = check_number('random_fraction', random_fraction, 0, 1)
        self._first = [self._checked(p) for p in (first or [[1.0] * size])]
        self.generator = generator

    def _checked(self, point: Sequence[float]) -> list[float]:
        """Scale a point into the middle of the space."""
        logs = check_numbers('start', point, self.size, WEIGHT_FLOOR).log()
        logs = logs - (logs.max() + logs.min()) / 2
        if float(logs.max()) > math.log(self.spread):
            raise ValueError(
                '`start` should hold weights at most '
                f'{self.spread**2:g} times each other (`spread` squared). '
                f'Found {list(point)}.'
            )
        return logs.exp().tolist()

    def next(self, hyperband: Hyperband) -> tuple[list[float], bool]:
        """Return the next candidate's point, and whether a model gave it."""
        number = len(hyperband.candidates)
        if number < len(self._first):
            return self._first[number], False
        stream = self.generator
        seed = int(torch.randint(2**31, (), generator=stream))
        chance = float(torch.rand((), generator=stream, dtype=torch.float64))
        age = None if chance < self._random else self._model_age(hyperband)
        point = suggest(
            hyperband.candidates, age, self.size, self.spread, seed
        )
        return point, age is not None

    def _model_age(self, hyperband: Hyperband) -> int | None:
        """Return the largest rung with more metrics than BOHB's k + 2."""
        for age in reversed(hyperband.ages):
            known = sum(
                c.age >= age or c.diverged for c in hyperband.candidates
            )
            if known > self.size + 2:
                return age
        return None


def mean_one(weights: Tensor) -> Tensor:
    """Divide positive weights by their mean, above the floor, ``(n,)``."""
    return (weights / weights.mean()).clamp(min=WEIGHT_FLOOR)
