"""What breaks a promise fails the test of a suite that is named after it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from mmengine.registry import init_default_scope
from torch import Tensor

from mmada.controllers import REPLAY, ScheduleSearch, StaticSearch
from mmada.engine.optimizers import head_rule
from mmada.models import ObjectiveWeights
from mmada.testing import (
    DetectorConformance,
    GradientWeightingConformance,
    ScheduleSearchConformance,
    StaticSearchConformance,
    StepWeightingConformance,
    WeightingConformance,
)
from mmada.testing.detector_case import reference
from mmada.weightings import GradientWeighting, StepWeighting, Weighting
from tests.test_families.one_stage import ONE_STAGE


class FaultyWeighting(Weighting):
    """Weights by the last losses, with one fault."""

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.last: Tensor | None = None
        self.count = 0

    def weights(self, epoch: int, num_epochs: int, losses: Tensor) -> Tensor:
        self.count += 1
        if self.last is None:
            self.last = losses if self.fault == 'alias' else losses.clone()
        found = (0.01 + losses) / (0.01 + self.last)
        if self.fault == 'random':
            found = found * torch.rand(len(losses)).double()
        if self.fault == 'zero':
            found = losses / self.last
        if self.fault == 'float':
            found = found.float()
        if self.fault == 'own':
            self.last = found
        if self.fault == 'count':
            found = found + self.count
        return found

    def state_dict(self) -> dict[str, Any]:
        return {} if self.fault == 'stateless' else dict(last=self.last)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.last = state.get('last')
        if self.fault not in ('lenient', 'stateless'):
            self.last = state['last']


class FaultyStepWeighting(StepWeighting):
    """Weights by the losses of the last iteration, NaN where one has none."""

    needs_losses = True

    def weights(self, step: int, num_steps: int) -> Tensor:
        return getattr(self, 'last', torch.ones(3).double())

    def observe(self, losses: Tensor) -> None:
        self.last = losses.clone()


class FaultyGradientWeighting(GradientWeighting):
    """Divides by the size of a gradient, in place."""

    def weights(self, losses: Tensor, gradients: Tensor) -> Tensor:
        return 1 / gradients.abs_().sum(1).double()


class FaultySearch(ScheduleSearch):
    """Draws around ones, with one fault."""

    def __init__(self, fault: str, **options: Any) -> None:
        super().__init__(initial=None, gamma=REPLAY, options={}, **options)
        self.fault = fault

    def draw(self) -> Tensor:
        size = self.num_replicas, self.num_objectives
        own = None if self.fault == 'random' else self.generator
        drawn = torch.rand(size, generator=own, dtype=torch.float64) + 0.5
        return drawn.float() if self.fault == 'float' else drawn

    def observe(self, metrics: Tensor, reference: float | None) -> Any:
        result = super().observe(metrics, reference)
        if self.fault == 'worst':
            best = int(metrics.nan_to_num(torch.inf).argmin())
            result = result._replace(best=best)
        return result

    def state_dict(self) -> dict[str, Any]:
        state = super().state_dict()
        if self.fault == 'generator':
            state['generator'] = torch.Generator().get_state()
        return state


class LastWins(StaticSearch):
    """Keeps the last winner, not the best of all rounds."""

    def draw(self) -> Tensor:
        size = self.num_replicas, self.num_objectives
        return torch.rand(size, generator=self.generator).double() + 0.5

    def keep(self, weights: Tensor, metric: Tensor) -> None:
        self._best = type(self._best)()
        super().keep(weights, metric)


@pytest.mark.parametrize(
    ('fault', 'name', 'arguments'),
    [
        ('alias', 'weights_are_valid', []),
        ('random', 'all_ranks_have_the_same_weights', []),
        ('random', 'the_global_random_stream_is_left_alone', []),
        ('float', 'weights_are_valid', []),
        ('zero', 'a_loss_of_zero_is_survived', []),
        ('own', 'weights_are_the_caller_s_own', []),
        ('count', 'a_resumed_training_continues_to_the_same_bits', [2]),
        ('stateless', 'a_resumed_training_continues_to_the_same_bits', [2]),
        ('lenient', 'a_state_of_something_else_is_refused', []),
    ],
)
def test_weightings(fault: str, name: str, arguments: list[Any]) -> None:
    class Suite(WeightingConformance):
        def build(self) -> Weighting:
            return FaultyWeighting(fault)

    fails(Suite(), name, *arguments)


def test_step_weightings() -> None:
    class Suite(StepWeightingConformance):
        def build(self) -> StepWeighting:
            return FaultyStepWeighting()

    fails(Suite(), 'an_absent_objective_is_survived')
    fails(Suite(), 'a_resumed_training_continues_to_the_same_bits', 2)


def test_gradient_weightings() -> None:
    class Suite(GradientWeightingConformance):
        def build(self) -> GradientWeighting:
            return FaultyGradientWeighting()

    fails(Suite(), 'weights_are_valid')  # gradients are not its own
    fails(Suite(), 'gradients_of_zero_are_survived')


@pytest.mark.parametrize(
    ('fault', 'name'),
    [
        ('random', 'same_seed_same_search'),
        ('random', 'the_global_random_stream_is_left_alone'),
        ('float', 'actions_are_valid_and_of_the_right_shape'),
        ('worst', 'the_best_replica_has_the_largest_metric'),
        ('worst', 'an_invalid_replica_is_never_the_best'),
        ('worst', 'no_valid_replica_has_no_winner'),
        ('generator', 'a_resumed_search_continues_to_the_same_bits'),
    ],
)
def test_controllers(fault: str, name: str) -> None:
    class Suite(ScheduleSearchConformance):
        def build(self, **options: Any) -> ScheduleSearch:
            return FaultySearch(fault, **options)

    fails(Suite(), name)


def test_static_searches() -> None:
    class Suite(StaticSearchConformance):
        def build(self, **options: Any) -> StaticSearch:
            return LastWins(options={}, **options)

    fails(Suite(), 'the_ensemble_holds_the_best_weights_of_all_rounds')


@pytest.fixture
def detector() -> DetectorConformance:
    init_default_scope('mmdet')

    class Suite(DetectorConformance):
        case = ONE_STAGE[0]

    return Suite()


def test_wrong_expectations_of_a_detector(
    detector: DetectorConformance,
) -> None:
    owners = {'bbox_head.retina_cls.weight': ('bbox',)}
    type(detector).case = replace(detector.case, owners=owners)
    known = reference(detector.case)
    fails(detector, 'the_owners_are_found', known)
    patterns = dict(cls='loss_.*', bbox='loss_box')
    type(detector).case = replace(detector.case, objectives=patterns)
    fails(detector, 'patterns_match_the_losses_that_they_should', known)


def test_weights_that_are_not_applied(
    detector: DetectorConformance, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = reference(detector.case)
    monkeypatch.setattr(ObjectiveWeights, 'values', (1.0, 1.0))
    fails(detector, 'the_loss_is_the_weighted_sum', known)
    fails(detector, 'a_weight_reaches_each_gradient_linearly', known)


def test_a_wrapper_that_changes_the_losses(
    detector: DetectorConformance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ObjectiveWeights, 'values', (1.0, 1.0 + 1e-6))
    fails(detector, 'weights_of_ones_change_no_bit', 'patterns')


def test_heads_that_are_not_shielded(
    detector: DetectorConformance, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = reference(detector.case)
    off = head_rule.HEAD_RULES['off']
    monkeypatch.setitem(head_rule.HEAD_RULES, 'lr', off)
    fails(detector, 'a_step_shields_the_heads_and_nothing_else', known, 'lr')
    fails(
        detector,
        'a_head_of_one_objective_steps_as_if_its_weight_were_one',
        known,
        'lr',
    )


def fails(suite: Any, name: str, *arguments: Any) -> None:
    """Asserts that a test of a suite fails."""
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        getattr(suite, f'test_{name}')(*arguments)
